package token

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// types are the media types of tokens: JWT (RFC 7519, section 5.1), and an access
// token's (RFC 9068, section 2.1).
var types = []string{"jwt", "at+jwt"}

// inspect returns a token's algorithm. It refuses tokens that two parsers could
// read differently, and tokens of another type, before a key is searched for.
func inspect(token string) (alg string, err error) {
	if len(token) > maxLength {
		return "", fmt.Errorf("longer than %d octets", maxLength)
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 || strings.ContainsAny(token, "\r\n") { // base64 decoders skip line ends
		return "", errors.New("not three parts")
	}
	header, err := members(parts[0])
	if err != nil {
		return "", fmt.Errorf("its header: %w", err)
	}
	if _, err := members(parts[1]); err != nil {
		return "", fmt.Errorf("its claims: %w", err)
	}
	if _, critical := header["crit"]; critical {
		return "", errors.New("it has extensions that must be understood") // RFC 7515, section 4.1.11
	}
	if typ, given := header["typ"]; given {
		// RFC 7515, section 4.1.9
		name, _ := strings.CutPrefix(strings.ToLower(text(typ)), "application/")
		if !slices.Contains(types, name) {
			return "", errors.New("it is of another type")
		}
	}
	return text(header["alg"]), nil
}

// members reads a part of a token: one JSON object that has no member twice
// (RFC 7515, section 4; RFC 7519, section 4).
func members(part string) (map[string]json.RawMessage, error) {
	decoded, err := base64.RawURLEncoding.Strict().DecodeString(part)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(decoded))
	if begin, err := d.Token(); err != nil || begin != json.Delim('{') {
		return nil, errors.New("no JSON object")
	}
	object := map[string]json.RawMessage{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		if _, twice := object[name.(string)]; twice {
			return nil, errors.New("a member twice")
		}
		object[name.(string)] = value
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("something follows")
	}
	return object, nil
}

// text is a JSON string; "" for anything else.
func text(value json.RawMessage) (s string) {
	if json.Unmarshal(value, &s) != nil {
		return ""
	}
	return s
}
