package supervise

import "syscall"

// Attr puts a program into a process group of its own, so that a terminal's Ctrl-C reaches the supervisor alone, and sends
// it onParentDeath when the supervisor dies.
func Attr(onParentDeath syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: onParentDeath}
}
