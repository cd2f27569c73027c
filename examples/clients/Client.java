// A client of D1 in Java 17, without libraries: `java Client.java`, with the variables of the sandbox's d1.env.

import java.io.ByteArrayInputStream;
import java.math.BigInteger;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.*;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.interfaces.ECPublicKey;
import java.security.spec.*;
import java.time.Duration;
import java.time.Instant;
import java.util.*;
import java.util.regex.Pattern;
import javax.crypto.Cipher;
import javax.crypto.KeyAgreement;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.SecretKeySpec;
import javax.net.ssl.*;

public class Client {
    static final Map<String, String> ENV = System.getenv();
    static final String ISSUER = ENV.get("D1_ISSUER_ID");
    static final Base64.Encoder URL64 = Base64.getUrlEncoder().withoutPadding();

    final HttpClient http;
    String token;
    Instant tokenEnds = Instant.EPOCH;

    /** D1 asks for the client certificate at every call, that of the token included. */
    Client() throws Exception {
        KeyStore own = KeyStore.getInstance("PKCS12");
        own.load(null, null);
        Certificate[] chain = certificates(ENV.get("D1_CLIENT_CERT"));
        own.setKeyEntry("client", privateKey(ENV.get("D1_CLIENT_KEY")), new char[0], chain);
        KeyManagerFactory keys = KeyManagerFactory.getInstance("PKIX");
        keys.init(own, new char[0]);
        KeyStore roots = KeyStore.getInstance("PKCS12");
        roots.load(null, null);
        for (Certificate root : certificates(ENV.get("D1_CA"))) {
            roots.setCertificateEntry("root" + roots.size(), root);
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
        trust.init(roots);
        SSLContext tls = SSLContext.getInstance("TLS");
        tls.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
        http = HttpClient.newBuilder().sslContext(tls).connectTimeout(Duration.ofSeconds(10)).build();
    }

    static Certificate[] certificates(String file) throws Exception {
        byte[] pem = Files.readAllBytes(Path.of(file));
        CertificateFactory factory = CertificateFactory.getInstance("X.509");
        return factory.generateCertificates(new ByteArrayInputStream(pem)).toArray(new Certificate[0]);
    }

    static PrivateKey privateKey(String file) throws Exception {
        String pem = Files.readString(Path.of(file));
        byte[] der = Base64.getMimeDecoder().decode(pem.replaceAll("-----[A-Z ]+-----", ""));
        return KeyFactory.getInstance("EC").generatePrivate(new PKCS8EncodedKeySpec(der));
    }

    HttpResponse<String> send(HttpRequest.Builder request) throws Exception {
        request.header("accept", "application/json").header("user-agent", "java-client/1");
        return http.send(request.timeout(Duration.ofSeconds(30)).build(), BodyHandlers.ofString());
    }

    static HttpRequest.Builder to(String path) {
        return HttpRequest.newBuilder(URI.create(ENV.get("D1_BASE_URL") + path));
    }

    /** Returns a text or a number of a JSON object. A service uses its JSON library here. */
    static String member(String json, String name) {
        var found = Pattern.compile("\"" + name + "\"\\s*:\\s*\"?([^\",}]+)").matcher(json);
        if (!found.find()) throw new IllegalStateException(name + " is missing");
        return found.group(1);
    }

    static String base64(String text) {
        return URL64.encodeToString(text.getBytes(StandardCharsets.UTF_8));
    }

    /** Exchanges a signed assertion for a token, and keeps it until a minute before its end. */
    String accessToken() throws Exception {
        if (Instant.now().isBefore(tokenEnds.minusSeconds(60))) return token;
        long exp = Instant.now().getEpochSecond() + 300;
        String header = "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"%s\"}".formatted(ENV.get("D1_SIGNING_KID"));
        String claims = "{\"iss\":\"%1$s\",\"sub\":\"%1$s\",\"exp\":%2$d}".formatted(ISSUER, exp);
        String message = base64(header) + "." + base64(claims);
        Signature signer = Signature.getInstance("SHA256withECDSAinP1363Format");
        signer.initSign(privateKey(ENV.get("D1_SIGNING_KEY")));
        signer.update(message.getBytes(StandardCharsets.US_ASCII));
        String assertion = message + "." + URL64.encodeToString(signer.sign());
        String grant = URLEncoder.encode("urn:ietf:params:oauth:grant-type:jwt-bearer", StandardCharsets.UTF_8);
        var answer = send(to("/authz/v1/oauth2/token")
                .header("content-type", "application/x-www-form-urlencoded")
                .POST(BodyPublishers.ofString("grant_type=" + grant + "&assertion=" + assertion)));
        if (answer.statusCode() != 200) {
            throw new IllegalStateException("no token: " + answer.statusCode() + " " + answer.body());
        }
        token = member(answer.body(), "access_token");
        tokenEnds = Instant.now().plusSeconds(Long.parseLong(member(answer.body(), "expires_in")));
        return token;
    }

    /** Encrypts PAN and expiry to D1's key: ECDH-ES on P-256 with A256GCM (RFC 7518, section 4.6). */
    static String encrypt(String credentials) throws Exception {
        String jwk = Files.readString(Path.of(ENV.get("D1_ENCRYPTION_JWK")));
        KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
        generator.initialize(new ECGenParameterSpec("secp256r1"));
        KeyPair ephemeral = generator.generateKeyPair();
        ECPublicKey own = (ECPublicKey) ephemeral.getPublic();
        ECPoint point = new ECPoint(coordinate(jwk, "x"), coordinate(jwk, "y"));
        PublicKey d1 = KeyFactory.getInstance("EC").generatePublic(new ECPublicKeySpec(point, own.getParams()));
        KeyAgreement agreement = KeyAgreement.getInstance("ECDH");
        agreement.init(ephemeral.getPrivate());
        agreement.doPhase(d1, true);
        byte[] algorithm = "A256GCM".getBytes(StandardCharsets.US_ASCII);
        // The Concat KDF: one round, the secret, the algorithm, no party info, 256 bits.
        ByteBuffer input = ByteBuffer.allocate(4 + 32 + 4 + algorithm.length + 12);
        input.putInt(1).put(agreement.generateSecret()).putInt(algorithm.length).put(algorithm);
        input.putInt(0).putInt(0).putInt(256);
        byte[] key = MessageDigest.getInstance("SHA-256").digest(input.array());
        String header = base64(("{\"alg\":\"ECDH-ES\",\"enc\":\"A256GCM\",\"kid\":\"%s\",\"epk\":"
                + "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\"}}").formatted(
                member(jwk, "kid"), text(own.getW().getAffineX()), text(own.getW().getAffineY())));
        byte[] iv = new byte[12];
        new SecureRandom().nextBytes(iv);
        Cipher cipher = Cipher.getInstance("AES/GCM/NoPadding");
        cipher.init(Cipher.ENCRYPT_MODE, new SecretKeySpec(key, "AES"), new GCMParameterSpec(128, iv));
        cipher.updateAAD(header.getBytes(StandardCharsets.US_ASCII));
        byte[] sealed = cipher.doFinal(credentials.getBytes(StandardCharsets.UTF_8));
        int end = sealed.length - 16;
        return String.join(".", header, "", URL64.encodeToString(iv),
                URL64.encodeToString(Arrays.copyOf(sealed, end)),
                URL64.encodeToString(Arrays.copyOfRange(sealed, end, sealed.length)));
    }

    static BigInteger coordinate(String jwk, String name) {
        return new BigInteger(1, Base64.getUrlDecoder().decode(member(jwk, name)));
    }

    static String text(BigInteger coordinate) {
        byte[] bytes = coordinate.toByteArray(), padded = new byte[32];
        int length = Math.min(bytes.length, 32);
        System.arraycopy(bytes, bytes.length - length, padded, 32 - length, length);
        return URL64.encodeToString(padded);
    }

    /** Calls one operation of a card: a POST with this body, or a GET without one. */
    String card(String id, String suffix, String body) throws Exception {
        var request = to("/banking/v1/issuers/" + ISSUER + "/cards/" + id + "/operations" + suffix)
                .header("authorization", "Bearer " + accessToken())
                .header("x-correlation-id", UUID.randomUUID().toString());
        if (body != null) request.header("content-type", "application/json").POST(BodyPublishers.ofString(body));
        var answer = send(request);
        if (answer.statusCode() / 100 != 2) {
            // After a 5xx, a timeout or a lost connection the change may have been made: list the operations first.
            throw new IllegalStateException(id + suffix + ": " + answer.statusCode() + " " + answer.body());
        }
        return answer.body();
    }

    public static void main(String[] arguments) throws Exception {
        Client d1 = new Client();
        d1.card("ReplaceMe01", ":suspend", "{\"reasonCode\":\"ISSUER_DECISION\"}");
        d1.card("ReplaceMe01", ":resume", "{\"reason\":\"customer called back\"}");
        String encrypted = encrypt("{\"pan\":\"5555555555554444\",\"exp\":\"1233\"}");
        d1.card("ReplaceMe01", ":renew", "{\"newCardId\":\"ReplaceMe02\",\"encryptedData\":\"" + encrypted + "\"}");
        String list = d1.card("ReplaceMe02", "?limit=3", null);
        var operations = Pattern.compile("\\{[^{}]*\"operationId\"[^{}]*\\}").matcher(list);
        while (operations.find()) {
            System.out.println(member(operations.group(), "operation") + " " + member(operations.group(), "status"));
        }
    }
}
