// npm `node-jose`: opens and encrypts.
const { readFileSync } = require("node:fs");
const { JWE, JWK } = require("node-jose");

(async () => {
  const given = JSON.parse(readFileSync(process.argv[2], "utf8"));
  const own = await JWK.asKey(given.privateKey);
  const opened = [];
  for (const token of given.tokens) {
    const result = await JWE.createDecrypt(own, { algorithms: ["ECDH-ES", "A256GCM"] }).decrypt(token);
    opened.push(JSON.parse(result.plaintext.toString("utf8")));
  }
  const theirs = await JWK.asKey(given.sandboxKey);
  const options = { format: "compact", contentAlg: "A256GCM", fields: { alg: "ECDH-ES" } };
  const made = [];
  for (const plaintext of given.plaintexts) {
    made.push(await JWE.createEncrypt(options, theirs).update(JSON.stringify(plaintext)).final());
  }
  process.stdout.write(JSON.stringify({ opened, made }));
})();
