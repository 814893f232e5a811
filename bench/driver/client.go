package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// client is one connection. It is no http.Client: that takes a multiple of the time
// of a small request, on the cores that the peer needs.
type client struct {
	target *target
	conn   net.Conn
	in     *bufio.Reader
	out    bytes.Buffer
	body   []byte
}

func (c *client) close() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

// do sends a request. The body is valid until the next one.
func (c *client) do(op string, o *operation, at row) (status int, body []byte, err error) {
	if c.conn == nil {
		if c.conn, err = net.Dial("tcp", c.target.address()); err != nil {
			return 0, nil, err
		}
		c.in = bufio.NewReaderSize(c.conn, 64<<10)
	}
	method, path, send := http.MethodPost, c.target.Path, ""
	if o.Query != "" {
		query, _ := json.Marshal(o.Query)
		send = `{"query":` + string(query) + `,"variables":` + c.target.fill(string(o.Variables), op, at) + `}`
	} else {
		method, path, send = o.Method, c.target.fill(o.Path, op, at), c.target.fill(string(o.Body), op, at)
	}
	c.out.Reset()
	fmt.Fprintf(&c.out, "%s %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nAccept: application/json\r\n",
		method, path, c.target.address(), c.target.token(at.user))
	if send != "" {
		fmt.Fprintf(&c.out, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(send))
	}
	c.out.WriteString("\r\n" + send)
	_ = c.conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err = c.conn.Write(c.out.Bytes()); err == nil {
		status, err = c.read()
	}
	if err != nil {
		c.close()
	}
	return status, c.body, err
}

func (c *client) read() (status int, err error) {
	line, err := c.in.ReadSlice('\n')
	if err != nil || len(line) < len("HTTP/1.1 200") {
		return 0, errors.Join(err, errors.New("no status line"))
	}
	status, _ = strconv.Atoi(string(line[9:12]))
	length, chunked := 0, false
	for {
		if line, err = c.in.ReadSlice('\n'); err != nil {
			return status, err
		}
		if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch {
		case len(name) == len("content-length") && bytes.EqualFold(name, []byte("content-length")):
			length, _ = strconv.Atoi(string(bytes.TrimSpace(value)))
		case len(name) == len("transfer-encoding") && bytes.EqualFold(name, []byte("transfer-encoding")):
			chunked = bytes.Contains(value, []byte("chunked"))
		}
	}
	c.body = c.body[:0]
	if !chunked {
		return status, c.append(length)
	}
	for {
		if line, err = c.in.ReadSlice('\n'); err != nil {
			return status, err
		}
		size, err := strconv.ParseInt(strings.TrimSpace(string(line)), 16, 64)
		if err == nil {
			err = c.append(int(size))
		}
		if err == nil {
			_, err = c.in.Discard(2)
		}
		if err != nil || size == 0 {
			return status, err
		}
	}
}

func (c *client) append(n int) error {
	at := len(c.body)
	if cap(c.body) < at+n {
		c.body = append(make([]byte, 0, 2*(at+n)), c.body...)
	}
	c.body = c.body[:at+n]
	_, err := io.ReadFull(c.in, c.body[at:])
	return err
}

// verify checks an answer: always its status and counts, and with deep all of it.
func (t *target) verify(op string, o *operation, at row, status int, body []byte, deep bool) error {
	if status != http.StatusOK {
		return fmt.Errorf("status %d: %.200s", status, body)
	}
	if !o.ErrorsOK && (bytes.HasPrefix(body, []byte(`{"errors"`)) || bytes.Contains(body, []byte(`"errors":[{"message"`))) {
		return fmt.Errorf("errors: %.300s", body)
	}
	for text, times := range o.Count {
		want, _ := strconv.Atoi(t.fill(times, op, at))
		if got := bytes.Count(body, []byte(text)); got != want {
			return fmt.Errorf("%d times %s, not %d: %.300s", got, text, want, body)
		}
	}
	if !deep || t.OwnShape {
		return nil
	}
	var answer struct{ Data map[string]result }
	if err := json.Unmarshal(body, &answer); err != nil {
		return err
	}
	for _, r := range answer.Data {
		if !r.fits(op, at) {
			return fmt.Errorf("wrong answer of %s: %.300s", op, body)
		}
	}
	return nil
}

// result is the answer of any operation.
type result struct {
	ID         string
	ViewerRole string
	Space      struct{ ID string }
	Instances  []struct {
		ID                          string
		Members, PendingInvitations []struct{}
	}
	Invitations []struct{ ID, Email, Status string }
	Errors      []struct{}
}

func (r result) fits(op string, at row) bool {
	switch {
	case op == "Q1":
		return r.ID == strconv.Itoa(at.instance) && r.Space.ID == strconv.Itoa(at.space) && r.ViewerRole != ""
	case addresses(op) == 0:
		for _, i := range r.Instances {
			id, _ := strconv.Atoi(i.ID)
			if len(i.Members) != min(10, 5+id%11) || len(i.PendingInvitations) != 10 {
				return false
			}
		}
		return r.ID == strconv.Itoa(at.space) && len(r.Instances) == instances(op)
	case op == "MBAD":
		return len(r.Errors) == 30 && len(r.Invitations) == 0
	}
	ids := map[string]bool{}
	for _, v := range r.Invitations {
		if !strings.HasSuffix(v.Email, "@bench.example.net") || v.Status != "PENDING" {
			return false
		}
		ids[v.ID] = true
	}
	return len(ids) == addresses(op) && len(r.Errors) == 0
}
