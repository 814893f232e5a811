// Command sink is what the gateway needs around it: an SMTP server that accepts
// every mail and drops it, and the keys (JWKS) of an identity provider whose private
// key it writes to a file.
package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
)

func main() {
	smtp := flag.String("smtp", "127.0.0.1:7190", "address of the SMTP server")
	jwks := flag.String("jwks", "127.0.0.1:7191", "address of the keys: /jwks")
	file := flag.String("key", "key.pem", "the private key; made if it does not exist")
	flag.Parse()
	key, err := readKey(*file)
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", *smtp)
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		defer exitOnPanic()
		acceptAll(listener)
	}()
	log.Fatal(http.ListenAndServe(*jwks, keySet(&key.PublicKey)))
}

func readKey(file string) (*rsa.PrivateKey, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return nil, err
		}
		block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
		return key, os.WriteFile(file, pem.EncodeToMemory(block), 0o600)
	}
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New(file + " has no key")
	}
	return x509.ParsePKCS1PrivateKey(block.Bytes)
}

func keySet(key *rsa.PublicKey) http.Handler {
	encode := base64.RawURLEncoding.EncodeToString
	set, _ := json.Marshal(map[string]any{"keys": []any{map[string]any{
		"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "bench",
		"n": encode(key.N.Bytes()), "e": encode(big.NewInt(int64(key.E)).Bytes()),
	}}})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /jwks", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(set)
	})
	return mux
}

func acceptAll(listener net.Listener) {
	for {
		client, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go func() {
			defer exitOnPanic()
			accept(client)
		}()
	}
}

func exitOnPanic() {
	if r := recover(); r != nil {
		log.Fatal(r)
	}
}

// accept is one SMTP session. It answers without reading what it is sent, except for
// the end of a mail.
func accept(client net.Conn) {
	defer client.Close()
	in := bufio.NewReaderSize(client, 64<<10)
	reply := func(text string) { _, _ = client.Write([]byte(text + "\r\n")) }
	reply("220 sink ESMTP")
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return
		}
		switch command := bytes.ToUpper(line[:min(4, len(line))]); string(command) {
		case "EHLO":
			reply("250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SMTPUTF8")
		case "DATA":
			reply("354 send it")
			if err := skipMail(in); err != nil {
				return
			}
			reply("250 accepted")
		case "QUIT":
			reply("221 closing")
			return
		default:
			reply("250 ok")
		}
	}
}

func skipMail(in *bufio.Reader) error {
	for {
		line, err := in.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
		if string(line) == ".\r\n" {
			return nil
		}
	}
}
