//go:build !linux

package plugin

import (
	"os"
	"syscall"
)

// sysProcAttr has nothing to set: elsewhere the end of standard input is what ends a plug-in whose host was killed.
func sysProcAttr() *syscall.SysProcAttr { return nil }

// killTree kills a child.
func killTree(p *os.Process) { _ = p.Kill() }

// awaitExit cannot leave an ended process to be waited for.
func awaitExit(int) bool { return false }

// residentBytes cannot be told here.
func residentBytes(int) int64 { return 0 }
