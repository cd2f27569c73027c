// npm `jose`: opens, encrypts and verifies.
import { readFileSync } from "node:fs";
import { CompactEncrypt, compactDecrypt, importJWK, jwtVerify } from "jose";

const given = JSON.parse(readFileSync(process.argv[2], "utf8"));
const own = await importJWK(given.privateKey, "ECDH-ES");
const opened = [];
for (const token of given.tokens) {
  const { plaintext, protectedHeader } = await compactDecrypt(token, own, {
    keyManagementAlgorithms: ["ECDH-ES"], contentEncryptionAlgorithms: ["A256GCM"],
  });
  const names = Object.keys(protectedHeader).sort().join();
  if (names !== "alg,enc,epk,kid" || protectedHeader.kid !== given.privateKey.kid) throw new Error(names);
  opened.push(JSON.parse(new TextDecoder().decode(plaintext)));
}
const theirs = await importJWK(given.sandboxKey, "ECDH-ES");
const header = { alg: "ECDH-ES", enc: "A256GCM", kid: given.sandboxKey.kid };
const made = [];
for (const plaintext of given.plaintexts) {
  const bytes = new TextEncoder().encode(JSON.stringify(plaintext));
  made.push(await new CompactEncrypt(bytes).setProtectedHeader(header).encrypt(theirs));
}
const { payload, protectedHeader } = await jwtVerify(given.assertion, await importJWK(given.signingKey, "ES256"), {
  algorithms: ["ES256"], issuer: given.issuer, subject: given.issuer, typ: "JWT",
});
const verified = protectedHeader.kid === given.signingKey.kid && Number.isInteger(payload.exp);
process.stdout.write(JSON.stringify({ opened, made, verified }));
