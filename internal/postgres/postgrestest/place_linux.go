package postgrestest

import "syscall"

const (
	memory     = "/dev/shm"
	memoryNeed = 4 << 30 // octets: a package's databases and their WAL
)

// place returns the folder for the server's folder: in memory where there is
// room, because PostgreSQL makes and removes 300 files for each database. On a
// disk that takes 100 ms of a processor, in memory 15.
func place() string {
	var free syscall.Statfs_t
	if err := syscall.Statfs(memory, &free); err == nil && free.Bavail*uint64(free.Bsize) >= memoryNeed {
		return memory
	}
	return temporary
}
