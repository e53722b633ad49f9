// run.mjs WEIR: drives clients from npm against a weir serve of one process and of
// three. Prints a line for each check; exits 1 if one failed. `make test-clients` runs
// it in a folder below build/, where the clients are.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { checks } from "./checks.mjs";
import * as glide from "./glide.mjs";
import * as ioredis from "./ioredis.mjs";
import * as redis from "./redis.mjs";
import { server_said, start, stop } from "./server.mjs";

const weir = process.argv[2];
const folder = mkdtempSync(`${tmpdir()}/weir-clients`);
const SECONDS = 60; // for one check
let failed = 0;

writeFileSync(`${folder}/kv.lua`, `return tier { memory { capacity = "64MiB" },
  memory { capacity = "256MiB", inline = false } } :coalesce() :deadline(20)`);
writeFileSync(`${folder}/password`, "sesame\n");

// Runs a check; what hangs has failed.
async function check(title, fn) {
  const late = sleep(SECONDS * 1000, null, { ref: false }).then(() => {
    throw new Error(`no end within ${SECONDS} s`);
  });
  try {
    await Promise.race([fn(), late]);
    console.log(`ok      ${title}`);
  } catch (error) {
    failed++;
    console.log(`FAILED  ${title}: ${error.stack}`);
  }
}

// Tries until something works: a client reports what was under way when its connection
// broke, and then connects again.
async function eventually(fn) {
  for (let i = 0; ; i++) {
    try {
      return await fn();
    } catch (error) {
      if (i === 200) throw error;
      await sleep(50);
    }
  }
}

// One key for each process, or some.
const keys = Array.from({ length: 30 }, (_, i) => `again:${i}`);

async function set_all(c) {
  for (const key of keys) await eventually(() => c.set(key, key));
  for (const key of keys) assert.equal(String(await c.get(key)), key);
}

async function all_checks(lib, server, cluster) {
  const where = `${lib.name}, ${cluster ? "3 processes" : "1 process"}: `;
  let c;
  await check(`${where}connect`, async () => {
    c = await lib.connect(server.port, { cluster });
  });
  if (!c) return;
  for (const [title, fn] of Object.entries(checks))
    await check(where + title, () => fn(c));
  await check(`${where}the processes share the keys`, async () => {
    const infos = await c.info("commandstats");
    assert.equal(infos.length, server.processes);
    for (const text of infos) assert.match(String(text), /cmdstat_set:calls=\d\d+/);
  });
  await check(`${where}goes on after SIGHUP`, async () => {
    const n = [...server.log.matchAll(/reloaded/g)].length;
    const working = { on: true };
    const work = (async () => {
      while (working.on) assert.equal(await c.set("busy", "x"), "OK");
    })();
    server.child.kill("SIGHUP");
    await server_said(server, /reloaded/g, n + server.processes);
    working.on = false;
    await work;
  });
  await check(`${where}connects again after kill -9`, async () => {
    await set_all(c);
    if (cluster) {
      const n = [...server.log.matchAll(/is ready/g)].length;
      process.kill(server.pids[1], "SIGKILL");
      await server_said(server, /is ready/g, n + 1);
      server.pids[1] = Number(server.log.match(/.*process 2 \((\d+)\) is ready/s)[1]);
    } else {
      await stop(server, "SIGKILL");
      await sleep(300);
      const place = `127.0.0.1:${server.port}`;
      await start(weir, [...words.slice(0, -1), place], 1, server);
    }
    await set_all(c);
  });
  await c.close();
}

async function passwords(lib, server) {
  await check(`${lib.name}: the right password`, async () => {
    const c = await lib.connect(server.port, { password: "sesame" });
    assert.equal(await c.set("a", "b"), "OK");
    await c.close();
  });
  await check(`${lib.name}: a wrong password`, async () => {
    await assert.rejects(async () => {
      const c = await lib.connect(server.port, { password: "wrong" });
      try { await c.get("a"); } finally { c.close(); }
    });
  });
}

const words = [`${folder}/kv.lua`, "--pretend-multi", "--listen", "127.0.0.1:0"];
const single = await start(weir, words);
const cluster = await start(weir, words, 3);
const closed = await start(weir, [...words, "--password-file", `${folder}/password`]);
try {
  for (const lib of [ioredis, redis, glide]) {
    await all_checks(lib, single, false);
    await all_checks(lib, cluster, true);
    await passwords(lib, closed);
  }
} finally {
  for (const server of [single, cluster, closed]) await stop(server);
  rmSync(folder, { recursive: true });
}
console.log(failed ? `${failed} failed` : "all clients are served");
process.exit(failed ? 1 : 0);
