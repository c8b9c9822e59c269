package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/xivo-auth/xivo-auth/dev/supervise"
)

const locale = "C.UTF-8"

// identity makes the data folder and says as whom the server runs: as the caller; or, for root, in a user namespace where
// uid 0 is seen as 1000 (files stay root's); or, where that is forbidden, as postgres or nobody, who then own the data.
func (c *Cluster) identity(ctx context.Context) (*syscall.SysProcAttr, error) {
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return nil, err
	}
	if os.Geteuid() != 0 {
		return attr(), nil
	}
	spaced := attr()
	spaced.Cloneflags = syscall.CLONE_NEWUSER
	spaced.UidMappings = []syscall.SysProcIDMap{{ContainerID: 1000, HostID: 0, Size: 1}}
	spaced.GidMappings = []syscall.SysProcIDMap{{ContainerID: 1000, HostID: 0, Size: 1}}
	spaced.Credential = &syscall.Credential{Uid: 1000, Gid: 1000, NoSetGroups: true}
	forced := os.Getenv("XIVO_AUTH_PG_AS") != "" // another uid even where namespaces work
	if !forced && fileOwner(c.Data) == 0 && c.tryAs(ctx, spaced) == nil {
		return spaced, nil
	}
	other := attr()
	other.Credential = otherUser()
	if err := giveTo(c.Data, other); err != nil {
		return nil, err
	}
	err := c.tryAs(ctx, other)
	if errors.Is(err, os.ErrPermission) {
		// A folder above is closed to everybody but root: keep the data where it is not.
		moved := Elsewhere(c.Data)
		if err := os.MkdirAll(moved, 0o700); err != nil {
			return nil, err
		}
		if o := fileOwner(moved); o != 0 && o != int(other.Credential.Uid) {
			return nil, fmt.Errorf("%s belongs to somebody else", moved)
		}
		c.Say("PostgreSQL cannot run as root and cannot reach %s as uid %d: its data is in %s", c.Data, other.Credential.Uid, moved)
		c.Data = moved
		if err := giveTo(c.Data, other); err != nil {
			return nil, err
		}
		err = c.tryAs(ctx, other)
	}
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL refuses to run as root, and running it as somebody else fails: %w", err)
	}
	return other, nil
}

func attr() *syscall.SysProcAttr { return supervise.Attr(syscall.SIGINT) }

// tryAs runs postgres --version in the data folder, which shows that the program and the folder can be reached.
func (c *Cluster) tryAs(ctx context.Context, as *syscall.SysProcAttr) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(c.Bin, "postgres"), "--version")
	cmd.Dir, cmd.SysProcAttr, cmd.Env = c.Data, as, environment()
	return supervise.Run(cmd)
}

func otherUser() *syscall.Credential {
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if errors.Join(err1, err2) == nil {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		}
	}
	return &syscall.Credential{Uid: 65534, Gid: 65534}
}

// owner is the host uid and gid of a program that runs as somebody else.
func owner(as *syscall.SysProcAttr) (uid, gid int, other bool) {
	if as.Credential == nil || as.Cloneflags != 0 {
		return 0, 0, false
	}
	return int(as.Credential.Uid), int(as.Credential.Gid), true
}
