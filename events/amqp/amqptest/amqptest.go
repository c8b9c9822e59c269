// Package amqptest gives a test a real RabbitMQ of its own, which may be killed and started again, and queues to look at
// what is published. The server comes from the program that XIVO_AUTH_TEST_DEV names, which `make test` and `bin/dev exec`
// set.
package amqptest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
)

// devVariable names the program that can become a RabbitMQ server.
const devVariable = "XIVO_AUTH_TEST_DEV"

// notInstalled is what that program ends with where there is no RabbitMQ.
const notInstalled = 3

// startTime is for a machine that other tests keep busy.
const startTime = 2 * time.Minute

// Broker is a RabbitMQ server.
type Broker struct {
	// URI is where clients connect, the same after a restart.
	URI     string
	Address string
	// Disk is how much must be free, such as "50MB", from its next start on; with less it takes no messages.
	Disk string

	dir  string
	port int

	mu   sync.Mutex
	cmd  *exec.Cmd
	done chan struct{}
	out  *bytes.Buffer
}

// Start runs a server until the end of the test. Where none is installed the test is skipped, saying how to install one,
// or fails where CI is set.
func Start(tb testing.TB) *Broker {
	tb.Helper()
	if os.Getenv(devVariable) == "" {
		missing(tb, devVariable+" is not set: run the tests with `make test`, or one package with `bin/dev exec -- go test ./...`")
	}
	b := &Broker{dir: filepath.Join(tb.TempDir(), "rabbitmq"), port: freePort(tb)}
	b.Address = net.JoinHostPort("127.0.0.1", strconv.Itoa(b.port))
	b.URI = "amqp://guest:guest@" + b.Address + "/"
	tb.Cleanup(b.Kill)
	b.Restart(tb)
	return b
}

func missing(tb testing.TB, why string) {
	tb.Helper()
	if os.Getenv("CI") != "" {
		tb.Fatal(why)
	}
	tb.Skip(why)
}

// Restart starts a server that was killed; what was durable is there again.
func (b *Broker) Restart(tb testing.TB) {
	tb.Helper()
	b.Launch(tb)
	deadline := time.Now().Add(startTime)
	for err := b.probe(); err != nil; err = b.probe() {
		select {
		case <-b.done:
			b.ended(tb)
		case <-time.After(50 * time.Millisecond):
		}
		require.True(tb, time.Now().Before(deadline), "RabbitMQ does not come: %v", err)
	}
}

// Launch is Restart without waiting until the server serves.
func (b *Broker) Launch(tb testing.TB) {
	tb.Helper()
	cmd := exec.CommandContext(context.Background(), os.Getenv(devVariable), "broker", b.dir, strconv.Itoa(b.port)) //nolint:gosec // our own program
	cmd.SysProcAttr = childAttr()
	cmd.Env = append(os.Environ(), "XIVO_AUTH_TEST_BROKER_DISK="+b.Disk)
	b.out = &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = b.out, b.out
	started, done := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread() // the parent-death signal follows the thread that forked
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
		close(done)
	}()
	require.NoError(tb, <-started)
	b.mu.Lock()
	b.cmd, b.done = cmd, done
	b.mu.Unlock()
}

func (b *Broker) ended(tb testing.TB) {
	tb.Helper()
	if b.cmd.ProcessState.ExitCode() == notInstalled {
		missing(tb, b.out.String())
	}
	tb.Fatalf("RabbitMQ ended: %s\n%s", b.cmd.ProcessState, b.out)
}

// probe wants the server's first words.
func (b *Broker) probe() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", b.Address)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	if _, err := conn.Write([]byte("AMQP\x00\x00\x09\x01")); err != nil {
		return err
	}
	var head [7]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return err
	}
	if head[0] != 1 || binary.BigEndian.Uint16(head[1:]) != 0 {
		return errors.New("no AMQP server")
	}
	return nil
}

// Kill ends the server at once, if it runs.
func (b *Broker) Kill() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cmd == nil {
		return
	}
	_ = b.cmd.Process.Kill()
	<-b.done
	b.cmd = nil
}

func freePort(tb testing.TB) int {
	tb.Helper()
	l, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	defer func() { require.NoError(tb, l.Close()) }()
	return l.Addr().(*net.TCPAddr).Port //nolint:forcetypeassert // it is TCP
}

// Queue is a queue of a test, with a consumer that keeps what comes.
type Queue struct {
	// Messages has room for what a test publishes.
	Messages chan amqp091.Delivery
}

// Platform declares what a deployment has: the exchange "xivo" and, bound to it, "wazo-headers" (events.md section 1).
func Platform(tb testing.TB, ch *amqp091.Channel) {
	tb.Helper()
	require.NoError(tb, ch.ExchangeDeclare("xivo", "topic", true, false, false, false, nil))
	require.NoError(tb, ch.ExchangeDeclare("wazo-headers", "headers", true, false, false, false, nil))
	require.NoError(tb, ch.ExchangeBind("wazo-headers", "#", "xivo", false, nil))
}

// Listen consumes what goes through the exchange "xivo" to a headers exchange: everything, or events of one name only.
func (b *Broker) Listen(tb testing.TB, name string) *Queue {
	tb.Helper()
	conn, err := amqp091.Dial(b.URI)
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	require.NoError(tb, err)
	Platform(tb, ch)
	q, err := ch.QueueDeclare("", false, true, true, false, nil)
	require.NoError(tb, err)
	args := amqp091.Table{}
	if name != "" {
		args["name"] = name
	}
	require.NoError(tb, ch.QueueBind(q.Name, "", "wazo-headers", false, args))
	return consume(tb, ch, q.Name, true)
}

// Keep makes a durable queue that gets everything and outlives the server. Read reads it.
func (b *Broker) Keep(tb testing.TB, queue string) {
	tb.Helper()
	conn, err := amqp091.Dial(b.URI)
	require.NoError(tb, err)
	defer func() { _ = conn.Close() }()
	ch, err := conn.Channel()
	require.NoError(tb, err)
	Platform(tb, ch)
	_, err = ch.QueueDeclare(queue, true, false, false, false, nil)
	require.NoError(tb, err)
	require.NoError(tb, ch.QueueBind(queue, "#", "xivo", false, nil))
}

// Read consumes a queue made with Keep.
func (b *Broker) Read(tb testing.TB, queue string) *Queue {
	tb.Helper()
	conn, err := amqp091.Dial(b.URI)
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	require.NoError(tb, err)
	return consume(tb, ch, queue, false)
}

func consume(tb testing.TB, ch *amqp091.Channel, queue string, exclusive bool) *Queue {
	tb.Helper()
	in, err := ch.Consume(queue, "", true, exclusive, false, false, nil)
	require.NoError(tb, err)
	q := &Queue{Messages: make(chan amqp091.Delivery, 100_000)}
	go func() {
		for m := range in {
			q.Messages <- m
		}
	}()
	return q
}

// Next waits for the next message.
func (q *Queue) Next(tb testing.TB) amqp091.Delivery {
	tb.Helper()
	select {
	case m := <-q.Messages:
		return m
	case <-time.After(startTime / 4):
		tb.Fatal("no message came")
		return amqp091.Delivery{}
	}
}

// Names waits for n messages and gives their names, in order.
func (q *Queue) Names(tb testing.TB, n int) []string {
	tb.Helper()
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprint(q.Next(tb).Headers["name"])
	}
	return names
}
