package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/xivo-auth/xivo-auth/dev/rabbitmq"
	"github.com/xivo-auth/xivo-auth/dev/supervise"
)

// notInstalled is the exit code of Broker where there is no RabbitMQ.
const notInstalled = 3

// Broker turns this process into a RabbitMQ server with its data in dir, listening on port of the loopback address.
func Broker(dir string, port int) error {
	path, err := rabbitmq.Find()
	if errors.Is(err, rabbitmq.ErrNotInstalled) {
		fmt.Println(err)
		return &ExitError{notInstalled}
	}
	if err != nil {
		return err
	}
	var p ports
	p.give(port)
	dist, err := p.free()
	if err != nil {
		return err
	}
	env, err := rabbitmq.Server{Dir: dir, Port: port, Dist: dist}.Prepare()
	if err != nil {
		return err
	}
	return fmt.Errorf("%s: %w", path, syscall.Exec(path, []string{path}, env))
}

// placeBroker gives RabbitMQ its ports if EVENTS is 1; else it is nil.
func placeBroker(p *ports, dir folder) (*rabbitmq.Server, error) {
	switch wanted := os.Getenv("EVENTS"); wanted {
	case "", "0":
		return nil, nil
	case "1":
	default:
		return nil, fmt.Errorf("EVENTS=%s is neither 0 nor 1", wanted)
	}
	if _, err := rabbitmq.Find(); err != nil {
		return nil, fmt.Errorf("EVENTS=1: %w", err)
	}
	port, err := base("AMQP_PORT", 5682)
	if err != nil {
		return nil, err
	}
	s := &rabbitmq.Server{Dir: dir.path("rabbitmq")}
	if s.Port, err = p.at(port, "AMQP_PORT", "RabbitMQ"); err != nil {
		return nil, err
	}
	return s, p.fill(&s.Dist)
}

// startBroker runs it and waits until it serves.
func startBroker(ctx context.Context, s rabbitmq.Server, dir folder, say func(string, ...any)) (*supervise.Process, error) {
	path, err := rabbitmq.Find()
	if err != nil {
		return nil, err
	}
	env, err := s.Prepare()
	if err != nil {
		return nil, err
	}
	process := supervise.Start(supervise.Program{Name: "RabbitMQ", Path: path, Env: env, Log: dir.log("rabbitmq")}, say)
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		err := greet(ctx, s.Port)
		if err == nil {
			return process, nil
		}
		if n, cause := process.Deaths(); n >= 3 {
			process.Stop()
			return nil, fmt.Errorf("RabbitMQ does not start: %w; the end of %s:\n%s", cause, dir.log("rabbitmq"), supervise.Tail(dir.log("rabbitmq"), 8))
		}
		select {
		case <-ctx.Done():
			process.Stop()
			return nil, fmt.Errorf("RabbitMQ does not get ready: %w", errors.Join(ctx.Err(), err))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// greet wants the first answer of an AMQP server.
func greet(ctx context.Context, port int) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return err
		}
	}
	if _, err := conn.Write([]byte("AMQP\x00\x00\x09\x01")); err != nil {
		return err
	}
	_, err = io.ReadFull(conn, make([]byte, 7))
	return err
}
