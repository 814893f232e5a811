// Package web holds the page and the playground as Vite builds them. `npm run
// build` puts them into dist, which is not committed; without it, the gateway
// builds and serves all the same.
package web

import (
	"embed"
	"io/fs"
)

// The pattern also finds dist.txt, since one that finds nothing is an error.
//
//go:embed all:dist*
var files embed.FS

// Built gives what was built: index.html, playground/index.html and what they
// load. It is empty where nothing was.
func Built() fs.FS {
	dist, err := fs.Sub(files, "dist")
	if err != nil {
		panic(err) // the name is valid
	}
	if _, err := fs.Stat(dist, "."); err != nil {
		return embed.FS{}
	}
	return dist
}
