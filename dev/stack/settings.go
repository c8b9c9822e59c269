package stack

import (
	"fmt"
	"os"
	"strconv"

	"github.com/xivo-auth/xivo-auth/dev/postgres"
	"github.com/xivo-auth/xivo-auth/dev/temporal"
)

// Beyond this many processes of a kind it is a typing error.
const maxProcesses = 32

// member is one api or worker process.
type member struct {
	name           string
	port, internal int // port is 0 for a worker
}

// number reads a count of processes.
func number(variable string, least int) (int, error) {
	s := os.Getenv(variable)
	if s == "" {
		return 1, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < least || n > maxProcesses {
		return 0, fmt.Errorf("%s=%s is not a number from %d to %d", variable, s, least, maxProcesses)
	}
	return n, nil
}

// placeMembers gives every process its ports: consecutive ones from API_PORT and INTERNAL_PORT, apis first.
func placeMembers(p *ports, apis, workers int) (placed, rest []member, err error) {
	first, err := base("API_PORT", 9497)
	if err != nil {
		return nil, nil, err
	}
	internal, err := base("INTERNAL_PORT", 9597)
	if err != nil {
		return nil, nil, err
	}
	next := func(from, i int, variable, what string) int {
		if err != nil {
			return 0
		}
		if from != 0 {
			from += i
		}
		var port int
		port, err = p.at(from, variable, what)
		return port
	}
	for i := range apis {
		name := fmt.Sprintf("api-%d", i+1)
		placed = append(placed, member{name, next(first, i, "API_PORT", name), next(internal, i, "INTERNAL_PORT", "the health of "+name)})
	}
	for i := range workers {
		name := fmt.Sprintf("worker-%d", i+1)
		rest = append(rest, member{name, 0, next(internal, apis+i, "INTERNAL_PORT", "the health of "+name)})
	}
	return placed, rest, err
}

// placeServers gives PostgreSQL and Temporal their ports.
func placeServers(p *ports, pg *postgres.Cluster, conf *temporal.Config) error {
	for _, one := range []struct {
		target   *int
		variable string
		standard int
		what     string
	}{
		{&pg.Port, "PG_PORT", 5442, "PostgreSQL"},
		{&conf.Port, "TEMPORAL_PORT", 7233, "Temporal"},
		{&conf.UIPort, "TEMPORAL_UI_PORT", 8233, "the Temporal Web UI"},
	} {
		port, err := base(one.variable, one.standard)
		if err != nil {
			return err
		}
		if *one.target, err = p.at(port, one.variable, one.what); err != nil {
			return err
		}
	}
	return p.fill(&conf.Internal[0], &conf.Internal[1], &conf.Internal[2], &conf.Internal[3])
}
