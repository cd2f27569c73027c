// A client of D1 in Go, without modules: `go run client.go`, with the variables of the sandbox's d1.env.
package main

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

var (
	issuer = os.Getenv("D1_ISSUER_ID")
	url64  = base64.RawURLEncoding
)

// D1 is safe to be kept for the life of a process: it holds its access token.
type D1 struct {
	http      *http.Client
	signing   *ecdsa.PrivateKey
	token     string
	tokenEnds time.Time
}

type jwk struct {
	Kty string `json:"kty"`
	Crv string `json:"crv"`
	X   string `json:"x"`
	Y   string `json:"y"`
	Kid string `json:"kid,omitempty"`
}

func read(variable string) []byte {
	content, err := os.ReadFile(os.Getenv(variable))
	check(err)
	return content
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// New makes a client. D1 asks for the client certificate at every call, that of the token included.
func New() *D1 {
	certificate, err := tls.X509KeyPair(read("D1_CLIENT_CERT"), read("D1_CLIENT_KEY"))
	check(err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(read("D1_CA"))
	config := &tls.Config{Certificates: []tls.Certificate{certificate}, RootCAs: roots}
	block, _ := pem.Decode(read("D1_SIGNING_KEY"))
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	check(err)
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}
	client := &http.Client{Transport: transport, Timeout: 30 * time.Second}
	return &D1{http: client, signing: key.(*ecdsa.PrivateKey)}
}

func (d1 *D1) send(method, path, body string, headers map[string]string) (int, []byte) {
	request, err := http.NewRequest(method, os.Getenv("D1_BASE_URL")+path, strings.NewReader(body))
	check(err)
	request.Header.Set("accept", "application/json")
	request.Header.Set("user-agent", "go-client/1")
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	response, err := d1.http.Do(request)
	check(err)
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	check(err)
	return response.StatusCode, answer
}

func part(value any) string {
	text, err := json.Marshal(value)
	check(err)
	return url64.EncodeToString(text)
}

// accessToken exchanges a signed assertion for a token, and keeps it until a minute before its end.
func (d1 *D1) accessToken() string {
	if time.Now().Before(d1.tokenEnds.Add(-time.Minute)) {
		return d1.token
	}
	header := map[string]string{"alg": "ES256", "typ": "JWT", "kid": os.Getenv("D1_SIGNING_KID")}
	claims := map[string]any{"iss": issuer, "sub": issuer, "exp": time.Now().Unix() + 300}
	message := part(header) + "." + part(claims)
	digest := sha256.Sum256([]byte(message))
	r, s, err := ecdsa.Sign(rand.Reader, d1.signing, digest[:])
	check(err)
	signature := append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	form := url.Values{
		"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"},
		"assertion":  {message + "." + url64.EncodeToString(signature)},
	}
	kind := map[string]string{"content-type": "application/x-www-form-urlencoded"}
	status, body := d1.send("POST", "/authz/v1/oauth2/token", form.Encode(), kind)
	if status != http.StatusOK {
		log.Fatalf("no token: %d %s", status, body)
	}
	var answer struct {
		Token     string `json:"access_token"`
		ExpiresIn int    `json:"expires_in"`
	}
	check(json.Unmarshal(body, &answer))
	d1.token = answer.Token
	d1.tokenEnds = time.Now().Add(time.Duration(answer.ExpiresIn) * time.Second)
	return d1.token
}

// encrypt encrypts PAN and expiry to D1's key: ECDH-ES on P-256 with A256GCM (RFC 7518, section 4.6).
func encrypt(credentials map[string]string) string {
	var key jwk
	check(json.Unmarshal(read("D1_ENCRYPTION_JWK"), &key))
	curve := elliptic.P256()
	x, y := coordinate(key.X), coordinate(key.Y)
	if !curve.IsOnCurve(x, y) {
		log.Fatal("D1's key is not on P-256")
	}
	ephemeral, err := ecdsa.GenerateKey(curve, rand.Reader)
	check(err)
	secret, _ := curve.ScalarMult(x, y, ephemeral.D.Bytes())
	// The Concat KDF: one round, the secret, the algorithm, no party info, 256 bits.
	var input bytes.Buffer
	number := func(value uint32) { check(binary.Write(&input, binary.BigEndian, value)) }
	number(1)
	input.Write(secret.FillBytes(make([]byte, 32)))
	number(7)
	input.WriteString("A256GCM")
	number(0)
	number(0)
	number(256)
	derived := sha256.Sum256(input.Bytes())
	public := func(value *big.Int) string { return url64.EncodeToString(value.FillBytes(make([]byte, 32))) }
	epk := jwk{Kty: "EC", Crv: "P-256", X: public(ephemeral.X), Y: public(ephemeral.Y)}
	header := part(map[string]any{"alg": "ECDH-ES", "enc": "A256GCM", "kid": key.Kid, "epk": epk})
	block, err := aes.NewCipher(derived[:])
	check(err)
	gcm, err := cipher.NewGCM(block)
	check(err)
	iv := make([]byte, gcm.NonceSize())
	_, err = rand.Read(iv)
	check(err)
	plaintext, err := json.Marshal(credentials)
	check(err)
	sealed := gcm.Seal(nil, iv, plaintext, []byte(header))
	end := len(sealed) - gcm.Overhead()
	parts := []string{header, "", url64.EncodeToString(iv), url64.EncodeToString(sealed[:end]), url64.EncodeToString(sealed[end:])}
	return strings.Join(parts, ".")
}

func coordinate(text string) *big.Int {
	content, err := url64.DecodeString(text)
	check(err)
	return new(big.Int).SetBytes(content)
}

// card calls one operation of a card: a POST with this body, or a GET without one.
func (d1 *D1) card(id, suffix string, body any) []byte {
	path := "/banking/v1/issuers/" + issuer + "/cards/" + url.PathEscape(id) + "/operations" + suffix
	random := make([]byte, 16)
	_, err := rand.Read(random)
	check(err)
	headers := map[string]string{
		"authorization":    "Bearer " + d1.accessToken(),
		"x-correlation-id": fmt.Sprintf("%x", random),
	}
	method, text := "GET", ""
	if body != nil {
		content, err := json.Marshal(body)
		check(err)
		method, text = "POST", string(content)
		headers["content-type"] = "application/json"
	}
	status, answer := d1.send(method, path, text, headers)
	if status < 200 || status > 299 {
		// After a 5xx, a timeout or a lost connection the change may have been made: list the operations first.
		log.Fatalf("%s%s: %d %s", id, suffix, status, answer)
	}
	return answer
}

func main() {
	d1 := New()
	d1.card("ReplaceMe01", ":suspend", map[string]string{"reasonCode": "ISSUER_DECISION"})
	d1.card("ReplaceMe01", ":resume", map[string]string{"reason": "customer called back"})
	encrypted := encrypt(map[string]string{"pan": "5555555555554444", "exp": "1233"})
	d1.card("ReplaceMe01", ":renew", map[string]string{"newCardId": "ReplaceMe02", "encryptedData": encrypted})
	var page struct {
		Operations []struct{ Operation, Status string }
	}
	check(json.Unmarshal(d1.card("ReplaceMe02", "?limit=3", nil), &page))
	for _, operation := range page.Operations {
		fmt.Println(operation.Operation, operation.Status)
	}
}
