//go:build !linux

package password

// aside runs f; only Linux has priorities of single threads.
func aside(f func()) { f() }
