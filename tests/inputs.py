"""Deterministic, realistic input for the programs of demo.py and programs.py.

Each function of Inputs writes one file (or a few) the first time it is called and returns where it is.
Everything is written line by line: whoever calls must stay small (see preload.py).
"""

import json
import random
from datetime import date, timedelta
from pathlib import Path

FIRST_NAMES = """
    Ada Ben Chloé Dmitri Elif Farid Grace Hana Igor João
    Kemal Lena Mei Noor Olga Paul Qiu Rosa Søren Tariq
""".split()
LAST_NAMES = """
    Adler Brown Costa Dubois Eriksen Fischer García Haddad
    Ivanov Jensen Kim López Müller Novak Okoye Patel
""".split()
CITIES = """
    Athens Berlin Cairo Delhi Essen Fukuoka Ghent Hanoi
    Izmir Jakarta Kraków Lagos Málaga Nairobi Oslo Porto
""".split()
CATEGORIES = "books garden kitchen music office outdoor sports tools toys winter".split()
SYLLABLES = "ba con de er fi gra ho in ju kel lo man nor on per qui ra ster ta un ver wil xa yon zu".split()
PATHS = "/ /about /cart /search /product/view /product/list /account/login /account/orders /static/main.css".split()
FIRST_DAY = date(2020, 1, 1)


def vocabulary(rng, nwords):
    """Made-up words of one to four syllables, short ones first."""
    return ["".join(rng.choices(SYLLABLES, k=1 + 4 * i // nwords)) for i in range(nwords)]


def frequent(rng, items):
    """One of the items, the first ones more often, as words in a text or goods in a shop."""
    return items[int(len(items) * rng.random() ** 3)]


def sentence(rng, words, nwords):
    return " ".join(frequent(rng, words) for _ in range(nwords))


class Inputs:
    """Files in a directory; scale 1.0 is the full size."""

    def __init__(self, directory, scale=1.0):
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.scale = scale
        rng = random.Random(1)
        self.words = vocabulary(rng, 4000)
        self.notes = [sentence(rng, self.words, rng.randrange(30)) for _ in range(4000)]

    def scaled(self, count):
        return max(1, int(count * self.scale))

    def path(self, name, write, newline="\n"):
        """The file of that name, written by write(file) if it is not there yet."""
        path = self.directory / name
        if not path.exists():
            part = self.directory / (name + ".part")
            with open(part, "w", encoding="utf-8", newline=newline) as file:
                write(file)
            part.rename(path)
        return path

    def shop(self):
        """customers.csv, products.csv and orders.csv; the directory they are in."""
        self.path("customers.csv", self.write_customers)
        self.path("products.csv", self.write_products)
        self.path("orders.csv", self.write_orders)
        return self.directory

    def write_customers(self, file):
        rng = random.Random(2)
        for number in range(1, self.scaled(20_000) + 1):
            name = f"{rng.choice(FIRST_NAMES)} {rng.choice(LAST_NAMES)}"
            joined = FIRST_DAY + timedelta(days=rng.randrange(1500))
            file.write(f"{number},{name},{frequent(rng, CITIES)},{joined}\n")

    def write_products(self, file):
        rng = random.Random(3)
        for number in range(1, self.scaled(3_000) + 1):
            name = sentence(rng, self.words, 3)
            price = rng.randrange(99, 50_000)
            file.write(f"{number},{name},{frequent(rng, CATEGORIES)},{price}\n")

    def write_orders(self, file):
        rng = random.Random(4)
        ncustomers, nproducts = self.scaled(20_000), self.scaled(3_000)
        for number in range(1, self.scaled(240_000) + 1):
            customer = 1 + int(ncustomers * rng.random() ** 2)
            product = 1 + int(nproducts * rng.random() ** 3)
            day = FIRST_DAY + timedelta(days=int(rng.random() * 1800))
            note = sentence(rng, self.words, rng.randrange(6))
            file.write(f"{number},{customer},{product},{rng.randrange(1, 10)},{day},{note}\n")

    def json(self, size=50_000_000):
        """A JSON document of at least that size (times scale), as json.dumps would write it again."""
        return self.path("records.json", lambda file: self.write_json(file, size * self.scale))

    def write_json(self, file, size):
        rng = random.Random(5)
        written, number = 0, 0
        file.write('{"records":[')
        while written < size:
            text = json.dumps(self.record(rng, number), ensure_ascii=False, separators=(",", ":"))
            file.write(("," if number else "") + text)
            written += len(text) + 1
            number += 1
        file.write(f'],"count":{number}' + "}")

    def record(self, rng, number):
        """One record of the shapes that JSON has: nested, of all types, some text beyond ASCII."""
        return {
            "id": number,
            "customer": {"name": rng.choice(FIRST_NAMES), "city": frequent(rng, CITIES), "vip": rng.random() < 0.1},
            "title": f"{frequent(rng, self.words)} {frequent(rng, self.words)}",
            "price": rng.randrange(100, 100_000) / 100,
            "ratings": [rng.randrange(1, 6) for _ in range(rng.randrange(12))],
            "tags": [frequent(rng, CATEGORIES) for _ in range(rng.randrange(4))],
            "stock": {city: rng.randrange(1000) for city in rng.sample(CITIES, 3)},
            "note": None if rng.random() < 0.3 else rng.choice(self.notes) + " „ok“ — ½ \"\\\n",
        }

    def text(self):
        """Lines of a web server's log and lines of prose, mixed, about 12 MB."""
        return self.path("text.txt", self.write_text)

    def write_text(self, file):
        rng = random.Random(6)
        for _ in range(self.scaled(150_000)):
            file.write(self.log_line(rng) if rng.random() < 0.5 else sentence(rng, self.words, 14) + ".\n")

    def log_line(self, rng):
        address = f"10.{rng.randrange(4)}.{rng.randrange(256)}.{rng.randrange(256)}"
        day = FIRST_DAY + timedelta(days=rng.randrange(60))
        target = f"{frequent(rng, PATHS)}?id={rng.randrange(5000)}&q={frequent(rng, self.words)}"
        status = rng.choice((200, 200, 200, 301, 404, 500))
        return f'{address} - - [{day}] "GET {target} HTTP/1.1" {status} {rng.randrange(100_000)}\n'

    def redis_commands(self):
        """Commands for `redis-cli --pipe` on all kinds of values, with overwrites and deletes."""
        return self.path("commands.redis", self.write_redis_commands, newline="\r\n")

    def write_redis_commands(self, file):
        rng = random.Random(7)
        for number in range(self.scaled(120_000)):
            file.write(" ".join(self.redis_command(rng, number)) + "\n")

    def redis_command(self, rng, number):
        key = f"key:{rng.randrange(self.scaled(30_000))}"
        group = f"{rng.randrange(self.scaled(300))}"
        word = frequent(rng, self.words)
        return rng.choice((
            ["SET", key, word * rng.randrange(1, 60)],
            ["APPEND", key, word],
            ["SETRANGE", key, str(rng.randrange(2000)), word],
            ["HSET", f"hash:{group}", word, str(number)],
            ["RPUSH", f"list:{group}", word, word[::-1], str(number)],
            ["LPOP", f"list:{group}"],
            ["SADD", f"set:{group}", word, str(rng.randrange(10_000))],
            ["ZADD", f"sorted:{group}", str(rng.randrange(10_000)), word],
            ["XADD", f"stream:{group}", f"{number + 1}-1", "word", word, "number", str(number)],
            ["DEL", key],
        ))

    def git_stream(self):
        """Input of `git fast-import`: a history of a few hundred commits that change files in directories."""
        return self.path("history.git", self.write_git_stream)

    def write_git_stream(self, file):
        rng = random.Random(8)
        for number in range(self.scaled(600)):
            when = 1_600_000_000 + number * 3600
            message = f"Change {number}: {sentence(rng, self.words, 5)}"
            file.write("commit refs/heads/main\n")
            file.write(f"committer A U Thor <author@example.org> {when} +0000\n")
            file.write(f"data {len(message)}\n{message}\n")
            for _ in range(rng.randrange(1, 12)):
                self.write_git_file(file, rng)

    def write_git_file(self, file, rng):
        """One changed file: its first lines depend on its name only, so that versions have much in common."""
        name = f"src/part{rng.randrange(12)}/file{rng.randrange(40)}.txt"
        common = random.Random(name)
        lines = [sentence(common, self.words, 10) for _ in range(60)]
        lines[rng.randrange(60)] = sentence(rng, self.words, 10)
        text = "\n".join(lines) + "\n"
        file.write(f"M 100644 inline {name}\ndata {len(text)}\n{text}\n")
