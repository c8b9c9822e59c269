//go:build !linux

package supervise

import "syscall"

// Attr puts a program into a process group of its own, so that a terminal's Ctrl-C reaches the supervisor alone. This
// system has no parent-death signal.
func Attr(syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
