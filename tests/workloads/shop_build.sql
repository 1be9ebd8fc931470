-- Builds the shop's database from CSV files in ../input: tables, indexes, statistics, a full-text index.
-- A large page cache and temporary tables in memory, so that the memory is the allocator's work.
PRAGMA cache_size = -131072;
PRAGMA temp_store = MEMORY;
PRAGMA threads = 2;
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, city TEXT NOT NULL, joined TEXT NOT NULL);
CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT NOT NULL, category TEXT NOT NULL, price INTEGER NOT NULL);
CREATE TABLE orders (
    id INTEGER PRIMARY KEY,
    customer INTEGER NOT NULL REFERENCES customers,
    product INTEGER NOT NULL REFERENCES products,
    quantity INTEGER NOT NULL CHECK (quantity > 0),
    day TEXT NOT NULL,
    note TEXT NOT NULL
);
.import --csv ../input/customers.csv customers
.import --csv ../input/products.csv products
.import --csv ../input/orders.csv orders
CREATE INDEX orders_customer ON orders (customer, day);
CREATE INDEX orders_product ON orders (product);
CREATE INDEX orders_day ON orders (day);
CREATE INDEX orders_note ON orders (note) WHERE note <> '';
CREATE INDEX customers_city ON customers (city, name);
CREATE VIRTUAL TABLE notes USING fts5 (note, content = 'orders', content_rowid = 'id');
INSERT INTO notes (rowid, note) SELECT id, note FROM orders WHERE id % 4 = 0;
ANALYZE;
