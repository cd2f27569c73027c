// A client of D1 in Node: needs `npm install jose`, and the variables of the sandbox's d1.env.
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { Agent, request } from "node:https";
import { CompactEncrypt, SignJWT, importJWK, importPKCS8 } from "jose";

const { env } = process;
const issuer = env.D1_ISSUER_ID;

// D1 asks for the client certificate at every call, that of the token included.
const agent = new Agent({
  keepAlive: true,
  ca: env.D1_CA && readFileSync(env.D1_CA),
  cert: readFileSync(env.D1_CLIENT_CERT),
  key: readFileSync(env.D1_CLIENT_KEY),
});

/** Sends one request. Returns the status and the body, if it is JSON. */
function send(method, path, body, headers) {
  return new Promise((resolve, reject) => {
    const common = { accept: "application/json", "user-agent": "node-client/1" };
    const options = { method, agent, timeout: 30_000, headers: { ...common, ...headers } };
    const sent = request(new URL(path, env.D1_BASE_URL), options, (response) => {
      const parts = [];
      response.on("data", (part) => parts.push(part));
      response.on("error", reject);
      response.on("end", () => {
        const text = Buffer.concat(parts).toString();
        const isJson = (response.headers["content-type"] ?? "").includes("json");
        resolve({ status: response.statusCode, answer: text && isJson ? JSON.parse(text) : null });
      });
    });
    sent.on("timeout", () => sent.destroy(new Error("no answer within 30 seconds")));
    sent.on("error", reject);
    sent.end(body);
  });
}

let token = { value: "", ends: 0 };

/** Exchanges a signed assertion for a token, and keeps it until a minute before its end. */
async function accessToken() {
  if (performance.now() < token.ends - 60_000) return token.value;
  const key = await importPKCS8(readFileSync(env.D1_SIGNING_KEY, "utf8"), "ES256");
  const assertion = await new SignJWT({ iss: issuer, sub: issuer })
    .setProtectedHeader({ alg: "ES256", kid: env.D1_SIGNING_KID, typ: "JWT" })
    .setExpirationTime("5 minutes")
    .sign(key);
  const form = new URLSearchParams({
    grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer",
    assertion,
  });
  const { status, answer } = await send("POST", "/authz/v1/oauth2/token", form.toString(), {
    "content-type": "application/x-www-form-urlencoded",
  });
  if (status !== 200) throw new Error(`no token: ${status} ${JSON.stringify(answer)}`);
  token = { value: answer.access_token, ends: performance.now() + answer.expires_in * 1000 };
  return token.value;
}

/** Encrypts PAN and expiry to D1's key. */
async function encrypt(credentials) {
  const jwk = JSON.parse(readFileSync(env.D1_ENCRYPTION_JWK, "utf8"));
  return new CompactEncrypt(new TextEncoder().encode(JSON.stringify(credentials)))
    .setProtectedHeader({ alg: "ECDH-ES", enc: "A256GCM", kid: jwk.kid })
    .encrypt(await importJWK(jwk, "ECDH-ES"));
}

/** Calls one operation of a card. */
async function card(method, id, suffix, body) {
  const path = `/banking/v1/issuers/${issuer}/cards/${encodeURIComponent(id)}/operations${suffix}`;
  const headers = {
    authorization: `Bearer ${await accessToken()}`,
    "x-correlation-id": randomUUID(),
  };
  if (body) headers["content-type"] = "application/json";
  const { status, answer } = await send(method, path, body && JSON.stringify(body), headers);
  if (status < 200 || status > 299) {
    // After a 5xx, a timeout or a lost connection the change may have been made: list the operations first.
    throw new Error(`${id}${suffix}: ${status} ${JSON.stringify(answer)}`);
  }
  return answer;
}

await card("POST", "ReplaceMe01", ":suspend", { reasonCode: "ISSUER_DECISION" });
await card("POST", "ReplaceMe01", ":resume", { reason: "customer called back" });
const encryptedData = await encrypt({ pan: "5555555555554444", exp: "1233" });
await card("POST", "ReplaceMe01", ":renew", { newCardId: "ReplaceMe02", encryptedData });
const { operations } = await card("GET", "ReplaceMe02", "?limit=3");
for (const { operation, status } of operations) console.log(operation, status);
agent.destroy();
