"""What the real programs are given to do, the same on every day: their scripts, written into a directory."""

import random
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))

from inputs import Inputs  # noqa: E402

PYTHON = """
import json, random, re
random.seed(1)
data = [{"k%d" % i: [random.random() for _ in range(5)], "s": "x" * random.randint(1, 200)}
        for i in range(16000)]
for _ in range(2):
    data = json.loads(json.dumps(data))
words = {}
for i in range(250000):
    words.setdefault(str(i * 7919 % 5003), []).append(i)
text = " ".join(sorted(words))
print(len(json.dumps(data)), sum(map(len, words.values())), len(re.findall("[0-9]+7", text)))

class Tree:
    def __init__(self, depth):
        self.left, self.right = (Tree(depth - 1), Tree(depth - 1)) if depth else (None, None)

    def count(self):
        return 1 + (self.left.count() + self.right.count() if self.left else 0)

print(sum(Tree(12).count() for _ in range(20)))
"""

PERL = r"""
use strict; use warnings;
my (%count, %lines, @order);
my $number = 0;
while (my $line = <STDIN>) {
    $number++;
    for my $word (split /\W+/, $line) { next unless length $word; $count{lc $word}++; push @{$lines{lc $word}}, $number; }
    (my $changed = $line) =~ s/(\d+)/<$1>/g;
    push @order, join ",", reverse split //, substr $changed, 0, 30;
}
@order = sort @order;
print scalar(@order), " $order[0] $order[-1]\n";
print "$_ $count{$_} $#{$lines{$_}}\n" for (sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count)[0 .. 200];
"""

LUA = """
local function tree(depth)
  if depth == 0 then return {} end
  return {tree(depth - 1), tree(depth - 1), depth = depth}
end
local function count(t) return t[1] and 1 + count(t[1]) + count(t[2]) or 1 end
local sum = 0
for i = 1, 40 do sum = sum + count(tree(13)) end
print(sum)
local names, parts = {}, {}
for i = 1, 350000 do
  local name = "name " .. (i * 7919 % 60000)
  names[name] = (names[name] or 0) + #name
  if i % 3 == 0 then parts[#parts + 1] = name:upper():gsub("%d", "<%0>") end
end
table.sort(parts)
print(#parts, parts[1], parts[#parts], #table.concat(parts))
"""

SQL = """
create table t(a integer primary key, b text, c real);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 110000)
insert into t select i, 'row ' || (i * 7919 % 60000) || ' of the table', i * 0.5 from n;
create index tb on t(b);
select count(*), sum(length(b)) from t where b like '%77%';
select substr(b, 1, 6), count(*) from t group by substr(b, 1, 6) order by 2 desc, 1 limit 5;
select count(*), max(length(x)) from (select group_concat(b, '|') as x from t group by a % 997);
update t set b = b || '!' where a % 3 = 0;
delete from t where a % 5 = 0;
select count(*) from t as x join t as y on x.b = y.b || '!' where x.a < 30000;
with recursive n(i) as (select 1 union all select i + 1 from n where i < 25000)
select count(distinct json_extract(json_object('k', i % 500, 's', hex(i)), '$.s')) from n;
pragma integrity_check;
"""

POSTSCRIPT = """%!PS
/Times-Roman findfont 9 scalefont setfont
/seed 1 def
/random { /seed seed 16807 mul cvr 2147483647 div dup truncate sub 2147483647 mul round cvi def seed exch mod } bind def
/koch { dup 0 eq { pop 0 rlineto } { exch 3 div exch 1 sub
  2 copy koch 60 rotate 2 copy koch -120 rotate 2 copy koch 60 rotate koch } ifelse } bind def
1 1 PAGES {
  /page exch def
  10 10 800 { 50 exch moveto 12 { 30000 random 20 string cvs show ( words of the page ) show } repeat } for
  200 { 500 random 700 random moveto 40 random 40 random rlineto 40 random 40 random 40 random 40 random
        40 random 40 random rcurveto closepath 100 random 100 div 100 random 100 div 0.5 setrgbcolor
        fill } repeat
  /d 2000 dict def
  0 1 1999 { dup 20 string cvs cvn exch 100 array d 3 1 roll put } for
  gsave 50 300 translate 0 0 moveto 400 5 koch closepath 0.3 setlinewidth stroke grestore
  showpage
} for
"""


def smt_problem(bits=13, nclauses=250):
    """Bit-vectors whose sums and products are to be as told; the numbers are random, but always the same."""
    rng = random.Random(3)
    names = [f"v{i}" for i in range(24)]
    values = {name: rng.randrange(1 << bits) for name in names}
    lines = ["(set-logic QF_BV)", *(f"(declare-const {name} (_ BitVec {bits}))" for name in names)]
    for _ in range(nclauses):
        a, b, c = rng.sample(names, 3)
        result = (values[a] * values[b] + values[c]) % (1 << bits)
        lines.append(f"(assert (= (bvadd (bvmul {a} {b}) {c}) (_ bv{result} {bits})))")
    return "\n".join([*lines, "(check-sat)", ""])


class Scripts:
    """Files in a directory, each written when it is first asked for."""

    def __init__(self, directory):
        self.directory = Path(directory)
        self.inputs = Inputs(self.directory / "generated", scale=0.25)

    def file(self, name, text):
        path = self.directory / name
        if not path.exists():
            path.write_text(text, encoding="utf-8")
        return path

    def python(self):
        return self.file("script.py", PYTHON)

    def perl(self):
        return self.file("script.pl", PERL)

    def lua(self):
        return self.file("script.lua", LUA)

    def sql(self):
        return self.file("script.sql", SQL)

    def postscript(self):
        return self.file("pages.ps", POSTSCRIPT.replace("PAGES", "40"))

    def smt(self):
        return self.file("problem.smt2", smt_problem())
