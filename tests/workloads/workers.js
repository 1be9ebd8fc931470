// Buffers, JSON, maps, compression and worker threads of Node.js. Usage: workers.js TEXT JSON
'use strict';
const { createHash } = require('crypto');
const fs = require('fs');
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
const zlib = require('zlib');

const sha256 = (data) => createHash('sha256').update(data).digest('hex');

/** Buffers of many sizes, held and dropped, copied into one. */
function buffers(seed) {
    const held = new Array(500).fill(null);
    const hash = createHash('sha256');
    for (let i = 0; i < 60000; i++) {
        const slot = (i * 7919 + seed) % held.length;
        const size = 1 + (i * 31) % (i % 50 === 0 ? 200000 : 9000);
        held[slot] = Buffer.alloc(size, (i + seed) & 255);
        if (i % 100 === 0) {
            hash.update(Buffer.concat(held.filter((buffer) => buffer !== null).slice(0, 20)));
        }
    }
    return hash.digest('hex');
}

/** Words of the text, counted and packed. */
function words(text, seed) {
    const count = new Map();
    for (const word of text.slice(seed * 1000).match(/[a-z]+/g)) {
        count.set(word, (count.get(word) || 0) + 1);
    }
    const sorted = [...count].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
    const packed = zlib.deflateSync(JSON.stringify(sorted));
    return `${sorted.length} ${sorted[0]} ${sha256(zlib.inflateSync(packed))}`;
}

function work(seed, text) {
    return { seed, buffers: buffers(seed), words: words(text, seed) };
}

function inWorker(seed, text) {
    return new Promise((resolve, reject) => {
        const worker = new Worker(__filename, { workerData: { seed, text } });
        worker.once('message', resolve);
        worker.once('error', reject);
    });
}

/** Many compressions at once, on the threads of libuv. */
function compressions(text) {
    const part = (i) => text.slice(i * 50000, (i + 8) * 50000);
    const round = (i) => new Promise((resolve, reject) => {
        zlib.gzip(part(i), (error, packed) => error ? reject(error) : resolve(zlib.gunzipSync(packed).length));
    });
    return Promise.all(Array.from({ length: 12 }, (_, i) => round(i)));
}

async function main() {
    const text = fs.readFileSync(process.argv[2], 'utf8');
    const json = fs.readFileSync(process.argv[3], 'utf8');
    const data = JSON.parse(json);
    console.log('json', data.count, sha256(JSON.stringify(data)));
    console.log('main', work(0, text));
    for (const result of await Promise.all([1, 2, 3].map((seed) => inWorker(seed, text)))) {
        console.log('worker', result);
    }
    console.log('compressions', (await compressions(text)).join(' '));
}

if (isMainThread) {
    main();
} else {
    parentPort.postMessage(work(workerData.seed, workerData.text));
}
