//go:build !linux

package postgres

import (
	"context"
	"errors"
	"os"
	"syscall"

	"github.com/xivo-auth/xivo-auth/dev/supervise"
)

// This system has no C.UTF-8 locale.
const locale = "en_US.UTF-8"

// identity makes the data folder; the server runs as the caller, who must not be root.
func (c *Cluster) identity(context.Context) (*syscall.SysProcAttr, error) {
	if os.Geteuid() == 0 {
		return nil, errors.New("PostgreSQL refuses to run as root: start this as an ordinary user")
	}
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return nil, err
	}
	return supervise.Attr(syscall.SIGINT), nil
}

func owner(*syscall.SysProcAttr) (uid, gid int, other bool) { return 0, 0, false }
