package stack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"

	amqp091 "github.com/rabbitmq/amqp091-go"
)

// Broker is a RabbitMQ server.
type Broker struct {
	*Process
	URI string
}

// Broker starts a RabbitMQ server and waits until it serves.
func (p Programs) Broker(ctx context.Context) (*Broker, error) {
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(address)
	process, err := start("broker", filepath.Join(p.Dir, "broker.log"), minimal(), filepath.Join(p.Bin, "dev"), "broker", filepath.Join(p.Dir, "broker"), port)
	if err != nil {
		return nil, err
	}
	b := &Broker{process, "amqp://guest:guest@" + address + "/"}
	var last error
	err = b.await(ctx, startTimeout/200, func() bool {
		var conn *amqp091.Connection
		if conn, last = amqp091.Dial(b.URI); last == nil {
			last = conn.Close()
		}
		return last == nil
	})
	if err != nil {
		b.Stop()
		return nil, fmt.Errorf("%w: %w", err, errors.Join(last))
	}
	return b, nil
}
