-- Asks the shop's database and changes it; what it prints must not depend on the allocator.
PRAGMA cache_size = -131072;
PRAGMA temp_store = MEMORY;
PRAGMA threads = 2;
.headers on
.print rows
SELECT (SELECT count(*) FROM customers) AS customers, (SELECT count(*) FROM products) AS products,
       (SELECT count(*) FROM orders) AS orders;

.print turnover by category and year
SELECT category, substr(day, 1, 4) AS year, count(*) AS orders, sum(quantity * price) AS turnover
  FROM orders JOIN products ON products.id = product
 GROUP BY category, year ORDER BY category, year;

.print best customers of each city
SELECT city, place, name, turnover FROM (
    SELECT city, name, turnover, rank() OVER (PARTITION BY city ORDER BY turnover DESC, customers.id) AS place
      FROM customers JOIN (SELECT customer, sum(quantity * price) AS turnover
                             FROM orders JOIN products ON products.id = product GROUP BY customer)
        ON customer = customers.id)
 WHERE place <= 3 ORDER BY city, place;

.print goods bought on the same day by the same customer
SELECT a.product AS one, b.product AS other, count(*) AS times
  FROM orders AS a JOIN orders AS b ON a.customer = b.customer AND a.day = b.day AND a.product < b.product
 GROUP BY one, other ORDER BY times DESC, one, other LIMIT 20;

.print long notes, sorted
SELECT id, upper(note) AS note FROM orders WHERE length(note) > 8 ORDER BY note DESC, id LIMIT 20;

.print notes found by their words
SELECT count(*) AS found, min(rowid) AS first, max(rowid) AS last FROM notes WHERE notes MATCH 'ba* AND per*';

.print JSON
SELECT length(doc) AS size, json_extract(doc, '$[10].n') AS tenth FROM (
    SELECT json_group_array(json_object('n', name, 'c', category, 'p', price)) AS doc
      FROM (SELECT * FROM products ORDER BY id));

.print changes
BEGIN;
UPDATE orders SET quantity = quantity + 1, note = note || ' (' || day || ')' WHERE customer % 7 = 0;
DELETE FROM orders WHERE product % 11 = 0;
SAVEPOINT more;
UPDATE customers SET name = upper(name);
ROLLBACK TO more;
COMMIT;
SELECT count(*) AS orders, sum(quantity) AS quantity, sum(length(note)) AS characters FROM orders;
VACUUM;
.print integrity
PRAGMA integrity_check;
