-- A database in memory that fits into an address space of 64 MiB.
PRAGMA temp_store = MEMORY;
CREATE TABLE numbers (n INTEGER PRIMARY KEY, text TEXT, square INTEGER);
WITH RECURSIVE counter (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counter WHERE n < 50000)
INSERT INTO numbers SELECT n, printf('number %05d', n * 7919 % 50000), n * n FROM counter;
CREATE INDEX numbers_text ON numbers (text);
SELECT count(*), sum(square), min(text), max(text) FROM numbers;
SELECT n % 10 AS digit, count(*), total(square) FROM numbers GROUP BY digit ORDER BY digit;
SELECT text FROM numbers ORDER BY text DESC LIMIT 5;
PRAGMA integrity_check;
