// What every client must show, as functions of a connected client (see ioredis.mjs and
// the others). Keys of one command have a {tag}, so that they are in one slot.
import assert from "node:assert/strict";

const bytes = (n) => Buffer.from(Array.from({ length: n }, (_, i) => (i * 7) & 255));

export const checks = {
  async "set and get of buffers"(c) {
    for (const n of [0, 1, 256, 5000, 300000, 2000000]) {
      assert.equal(await c.set("buffer", bytes(n)), "OK");
      assert.deepEqual(await c.get("buffer"), bytes(n));
    }
    const key = "key with \u00fc, blanks and \u4e16";
    await c.set(key, "value");
    assert.equal(String(await c.get(key)), "value");
    assert.equal(await c.get("nothing"), null);
    assert.equal(await c.strlen("buffer"), 2000000);
    assert.equal(await c.type("buffer"), "string");
    assert.equal(await c.type("nothing"), "none");
  },

  async "times to live"(c) {
    await c.set("timed", "x", 100);
    const ttl = await c.ttl("timed");
    assert(ttl > 90 && ttl <= 100, ttl);
    assert.equal(await c.expire("timed", 1000), 1);
    assert(await c.ttl("timed") > 900);
    assert.equal(await c.persist("timed"), 1);
    assert.equal(await c.ttl("timed"), -1);
    assert.equal(await c.ttl("nothing"), -2);
    assert.equal(await c.expire("nothing", 10), 0);
    await c.set("short", "x", 1);
    for (let i = 0; i < 400 && await c.get("short"); i++)
      await new Promise((done) => { setTimeout(done, 25); });
    assert.equal(await c.get("short"), null);
  },

  async "several keys"(c) {
    await c.set("{t}1", "one");
    await c.set("{t}2", "two");
    const values = await c.mget(["{t}1", "{t}nothing", "{t}2"]);
    assert.deepEqual(values.map((v) => v && String(v)), ["one", null, "two"]);
    assert.equal(await c.exists(["{t}1", "{t}1", "{t}nothing"]), 2);
    assert.equal(await c.del(["{t}1", "{t}2", "{t}nothing"]), 2);
    assert.equal(await c.exists(["{t}1"]), 0);
  },

  async "scan"(c) {
    const keys = Array.from({ length: 500 }, (_, i) => `scan:${i}`);
    await Promise.all(keys.map((key) => c.set(key, "x")));
    const found = await c.scan("scan:*");
    assert.deepEqual([...found].sort(), keys.sort());
  },

  async "what is sent without waiting"(c) {
    const keys = Array.from({ length: 5000 }, (_, i) => `auto:${i}`);
    await Promise.all(keys.map((key, i) => c.set(key, `v${i}`)));
    const values = await Promise.all(keys.map((key) => c.get(key)));
    values.forEach((value, i) => assert.equal(String(value), `v${i}`));
  },

  async "pipelines"(c) {
    const pairs = Array.from({ length: 1000 }, (_, i) => [`{pipe}${i}`, `v${i}`]);
    const replies = await c.pipeline(pairs);
    assert.equal(replies.length, 2000);
    assert.deepEqual(replies.slice(0, 1000), pairs.map(() => "OK"));
    assert.deepEqual(replies.slice(1000), pairs.map(([, value]) => value));
  },

  async "transactions that are none"(c) {
    const pairs = [["{multi}1", "a"], ["{multi}2", "b"]];
    assert.deepEqual(await c.transaction(pairs), ["OK", "OK", "a", "b"]);
  },

  async "errors"(c) {
    await assert.rejects(async () => c.lpush("list"),
      /LPUSH is refused: weir stores strings only/);
    assert.equal(await c.set("after", "error"), "OK");
    assert.equal(String(await c.get("after")), "error");
  },

  async "INFO"(c) {
    for (const text of await c.info("server"))
      assert.match(String(text), /redis_version:7\./);
  },
};
