// Package amqp is the way to RabbitMQ: it publishes messages with confirms, over AMQP 0-9-1 as the contract's events.md
// section 1 has it. It knows what a message is and nothing of where it comes from.
package amqp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"

	"github.com/xivo-auth/xivo-auth/events"
)

const (
	dialTimeout = 3 * time.Second
	// handshakeTimeout bounds everything that a new connection needs, declaring the exchange included.
	handshakeTimeout = 5 * time.Second
	// writeTimeout is how long a socket may take nothing.
	writeTimeout = 10 * time.Second
	// heartbeat finds a connection that is dead without a word within three of these.
	heartbeat = 10 * time.Second
	// confirmTimeout ends a connection whose broker confirms nothing, though it does not say that it is blocked.
	confirmTimeout = 30 * time.Second
)

// Options of a bus.
type Options struct {
	// URI as in amqp://user:password@host:port/vhost; it never appears in an error.
	URI string
	// Exchange is declared on each new connection: durable, of this type.
	Exchange, ExchangeType string
	// Name is shown by the broker.
	Name string
}

// Bus makes connections to a broker.
type Bus struct{ o Options }

// New makes a bus. It does not connect.
func New(o Options) *Bus { return &Bus{o} }

// Connection is one connection with one channel, in confirm mode.
type Connection struct {
	exchange string
	conn     *amqp091.Connection
	channel  *amqp091.Channel
	socket   *socket
	confirms chan bool
	blocked  atomic.Bool
	// unconfirmed counts messages; progress is the last moment when that changed for the better.
	unconfirmed atomic.Int64

	once sync.Once
	done chan struct{}
	err  error
}

// maxUnconfirmed is more than anybody publishes ahead of the confirms.
const maxUnconfirmed = 16384

// Connect makes a connection that is ready to publish. An exchange of another type or durability under the name is an
// error like an outage: somebody may put it right.
func (b *Bus) Connect(ctx context.Context) (*Connection, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	if _, err := amqp091.ParseURI(b.o.URI); err != nil {
		return nil, errors.New("the URI of the bus cannot be parsed")
	}
	c := &Connection{exchange: b.o.Exchange, confirms: make(chan bool, maxUnconfirmed), done: make(chan struct{})}
	properties := amqp091.NewConnectionProperties()
	properties.SetClientConnectionName(b.o.Name)
	conn, err := amqp091.DialConfig(b.o.URI, amqp091.Config{Heartbeat: heartbeat, Locale: "en_US", Properties: properties,
		Dial: func(network, address string) (net.Conn, error) { return c.dial(ctx, network, address) }})
	if err != nil {
		if c.socket != nil {
			_ = c.socket.Close()
		}
		return nil, fmt.Errorf("connect: %w", err)
	}
	c.conn = conn
	stop := context.AfterFunc(ctx, c.Close) // a broker that stops answering half-way
	if err := c.open(b.o); err != nil {
		stop()
		c.end(err)
		return nil, err
	}
	if !stop() {
		return nil, fmt.Errorf("connect: %w", ctx.Err())
	}
	return c, nil
}

func (c *Connection) dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: dialTimeout}
	conn, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil { // until the handshake is over
		_ = conn.Close()
		return nil, err
	}
	c.socket = &socket{Conn: conn}
	return c.socket, nil
}

func (c *Connection) open(o Options) error {
	var err error
	if c.channel, err = c.conn.Channel(); err != nil {
		return fmt.Errorf("open a channel: %w", err)
	}
	if err := c.channel.ExchangeDeclare(o.Exchange, o.ExchangeType, true, false, false, false, nil); err != nil {
		return fmt.Errorf("declare the exchange: %w", err)
	}
	if err := c.channel.Confirm(false); err != nil {
		return fmt.Errorf("turn confirms on: %w", err)
	}
	confirms := c.channel.NotifyPublish(make(chan amqp091.Confirmation, maxUnconfirmed))
	closed := c.channel.NotifyClose(make(chan *amqp091.Error, 1))
	blocked := c.conn.NotifyBlocked(make(chan amqp091.Blocking, 8))
	go c.watch(confirms, closed, blocked)
	return nil
}

// watch passes confirms on until the channel is closed.
func (c *Connection) watch(confirms <-chan amqp091.Confirmation, closed <-chan *amqp091.Error, blocked <-chan amqp091.Blocking) {
	defer close(c.confirms)
	look := time.NewTicker(confirmTimeout / 10)
	defer look.Stop()
	progress := time.Now()
	for {
		select {
		case x, open := <-confirms:
			if !open {
				var reason error = amqp091.ErrClosed
				if err := <-closed; err != nil {
					reason = err
				}
				c.end(reason)
				return
			}
			c.unconfirmed.Add(-1)
			progress = time.Now()
			c.confirms <- x.Ack
		case b, open := <-blocked:
			if !open {
				blocked = nil
				continue
			}
			c.blocked.Store(b.Active)
		case <-look.C:
			if c.unconfirmed.Load() == 0 || c.blocked.Load() {
				progress = time.Now()
			} else if time.Since(progress) > confirmTimeout {
				c.end(errors.New("the broker confirms nothing"))
			}
		}
	}
}

// Publish writes messages out: persistent, each with its event's id as message id.
func (c *Connection) Publish(list []events.Message) error {
	c.unconfirmed.Add(int64(len(list)))
	c.socket.hold()
	var err error
	for _, m := range list {
		err = c.channel.Publish(c.exchange, m.RoutingKey, false, false, amqp091.Publishing{Headers: m.Headers, ContentType: "application/json",
			ContentEncoding: "utf-8", DeliveryMode: amqp091.Persistent, MessageId: m.ID.String(), Body: m.Body})
		if err != nil {
			break
		}
	}
	if err := errors.Join(err, c.socket.release()); err != nil {
		return fmt.Errorf("write to the broker: %w", err)
	}
	return nil
}

// Confirms says of each message, in the order of Publish, whether the broker took it. It is closed with the connection.
func (c *Connection) Confirms() <-chan bool { return c.confirms }

// Blocked says that the broker accepts nothing at the moment, for want of memory or disk.
func (c *Connection) Blocked() bool { return c.blocked.Load() }

// Done is closed when the connection is no longer of use.
func (c *Connection) Done() <-chan struct{} { return c.done }

// Err says why, once Done is closed.
func (c *Connection) Err() error { return c.err }

// Close ends the connection without waiting long.
func (c *Connection) Close() { c.end(amqp091.ErrClosed) }

func (c *Connection) end(reason error) {
	c.once.Do(func() {
		c.err = reason
		close(c.done)
		go func() {
			// A goodbye, unless the socket is stuck or gone.
			_ = c.conn.CloseDeadline(time.Now().Add(time.Second))
			_ = c.socket.Close()
		}()
	})
}
