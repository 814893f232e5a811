//go:build !linux

package postgrestest

// memory is no folder of its own here.
const memory = temporary

// place returns the folder for the server's folder.
func place() string { return temporary }
