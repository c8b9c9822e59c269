package stack

import "syscall"

// withParent ends a foreground command together with this process.
func withParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM} }
