package password

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// hashNice is how much the threads of hashes step back, as in nice(1).
const hashNice = 5

// aside runs f on a thread of its own with less claim to the processor than the rest of the process, so that checks do not
// wait behind hashes. The thread ends with f: its priority cannot be raised again without privileges. A panic of f is the
// caller's.
func aside(f func()) {
	done := make(chan any)
	go func() {
		defer func() { done <- recover() }()
		runtime.LockOSThread()
		_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), hashNice) // without it, only slower checks
		f()
	}()
	if p := <-done; p != nil {
		panic(p)
	}
}
