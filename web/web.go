// Package web embeds the page and the playground. `npm run build` writes them to
// dist, which is not committed. The gateway also compiles before that build, and
// then has no page.
package web

import (
	"embed"
	"io/fs"
)

// dist.txt is there for this pattern: one that matches no file is a compile
// error.
//
//go:embed all:dist*
var files embed.FS

// Built returns the built files: index.html, playground/index.html and what they
// load. It is empty if nothing was built.
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
