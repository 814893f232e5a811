package postgres

import (
	"net/url"
	"strings"
)

// withHostList returns a connection string that lib/pq can read: a URL with several
// hosts, as libpq takes it (PostgreSQL, "Connection URIs"), names them by parameters then.
// lib/pq takes such a URL only where no host has a port.
//
//	postgres://ada@one:5432,two:5433/db  →  postgres://ada@/db?host=one%2Ctwo&port=5432%2C5433
func withHostList(dsn string) string {
	scheme, rest, found := strings.Cut(dsn, "://")
	if !found || scheme != "postgres" && scheme != "postgresql" {
		return dsn
	}
	end := len(rest)
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		end = i
	}
	authority, tail := rest[:end], rest[end:]
	user, list := "", authority
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		user, list = authority[:i+1], authority[i+1:]
	}
	if !strings.Contains(list, ",") {
		return dsn
	}
	var hosts, ports []string
	for _, entry := range strings.Split(list, ",") {
		host, port := entry, ""
		if i := strings.LastIndexByte(entry, ':'); i > strings.LastIndexByte(entry, ']') {
			host, port = entry[:i], entry[i+1:]
		}
		if port == "" {
			port = "5432"
		}
		hosts = append(hosts, strings.Trim(host, "[]"))
		ports = append(ports, port)
	}
	path, query, _ := strings.Cut(tail, "?")
	parameters := "host=" + url.QueryEscape(strings.Join(hosts, ",")) + "&port=" + url.QueryEscape(strings.Join(ports, ","))
	if query != "" {
		parameters += "&" + query
	}
	return scheme + "://" + user + path + "?" + parameters
}
