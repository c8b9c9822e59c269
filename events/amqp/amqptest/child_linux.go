package amqptest

import "syscall"

// childAttr lets no server outlive the tests.
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
