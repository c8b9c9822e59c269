// Package rabbitmq runs Debian's RabbitMQ server for laptops and tests: on ports of the loopback address, with all its data
// in one folder, as whoever starts it, and without epmd, which would outlive it.
package rabbitmq

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// ErrNotInstalled says how to install it.
var ErrNotInstalled = errors.New("no RabbitMQ server here; Debian, Ubuntu: apt-get install rabbitmq-server (then stop its service: systemctl disable --now rabbitmq-server)")

// Server is where a server listens and keeps its data.
type Server struct {
	Dir string
	// Port is that of AMQP, Dist one that the node needs for itself.
	Port, Dist int
}

// URI is where clients connect.
func (s Server) URI() string { return fmt.Sprintf("amqp://guest:guest@127.0.0.1:%d/", s.Port) }

// Find gives the program itself: Debian's /usr/sbin/rabbitmq-server would change the user.
func Find() (string, error) {
	found, err := filepath.Glob("/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server")
	if err != nil || len(found) == 0 {
		return "", ErrNotInstalled
	}
	slices.Sort(found)
	return found[len(found)-1], nil
}

// Prepare makes the folder and gives the environment that the program wants. XIVO_AUTH_TEST_BROKER_DISK is how much
// disk must be free, so that tests can have a server in need.
func (s Server) Prepare() (env []string, err error) {
	dir, err := filepath.Abs(s.Dir)
	if err != nil {
		return nil, err
	}
	for _, sub := range []string{"mnesia", "log"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, err
		}
	}
	conf, plugins := filepath.Join(dir, "rabbitmq.conf"), filepath.Join(dir, "enabled_plugins")
	disk := cmp.Or(os.Getenv("XIVO_AUTH_TEST_BROKER_DISK"), "50MB")
	settings := "vm_memory_high_watermark.absolute = 512MB\nlog.file.level = warning\ndisk_free_limit.absolute = " + disk + "\n"
	if err := errors.Join(os.WriteFile(conf, []byte(settings), 0o600), os.WriteFile(plugins, []byte("[].\n"), 0o600)); err != nil {
		return nil, err
	}
	node, dist := "xivo-auth@localhost", strconv.Itoa(s.Dist)
	return append(os.Environ(),
		"RUNNING_UNDER_SYSTEMD=true", // the shell script becomes the server, which then dies with whom it is told to
		"HOME="+dir, "RABBITMQ_NODENAME="+node, "RABBITMQ_NODE_IP_ADDRESS=127.0.0.1", "RABBITMQ_NODE_PORT="+strconv.Itoa(s.Port),
		"RABBITMQ_DIST_PORT="+dist, "RABBITMQ_MNESIA_BASE="+filepath.Join(dir, "mnesia"), "RABBITMQ_LOG_BASE="+filepath.Join(dir, "log"),
		"RABBITMQ_PID_FILE="+filepath.Join(dir, "pid"), "RABBITMQ_ENABLED_PLUGINS_FILE="+plugins, "RABBITMQ_CONFIG_FILE="+conf,
		"RABBITMQ_CONF_ENV_FILE=/dev/null",
		"ERL_FLAGS=-start_epmd false", // what the server starts a minute later to look after epmd
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=+S 1:1 +sbwt none -sname "+node+" -start_epmd false -erl_epmd_port "+dist+
			" -kernel inet_dist_use_interface {127,0,0,1} -kernel inet_dist_listen_min "+dist+" -kernel inet_dist_listen_max "+dist), nil
}
