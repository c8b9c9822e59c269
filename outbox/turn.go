package outbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// turnKey is the advisory lock of the publisher whose turn it is, in the database of the installation.
const turnKey = 0x6576656e7473 // "events"

// takeTurn waits until this process is the one that publishes: the lock goes with the connection, and the server drops a
// holder that died at once, one that vanished from the network or stands still after some seconds.
func (p *Publisher) takeTurn(ctx context.Context, bus BusConnection) (*pgx.Conn, error) {
	conn, err := p.turnConnection(ctx)
	if err != nil {
		return nil, err
	}
	ask := time.NewTicker(p.o.Turn)
	defer ask.Stop()
	for {
		taken, err := p.askForTurn(ctx, conn)
		if taken {
			return conn, nil
		}
		if err == nil {
			select {
			case <-ask.C:
				continue
			case <-ctx.Done():
				err = ctx.Err()
			case <-bus.Done():
				err = bus.Err()
			}
		}
		closeSoon(conn)
		return nil, fmt.Errorf("wait for the turn to publish: %w", err)
	}
}

func (p *Publisher) askForTurn(ctx context.Context, conn *pgx.Conn) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return p.q.EventTurn(ctx, conn, turnKey)
}

func (p *Publisher) turnConnection(ctx context.Context) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	c, err := pgx.ParseConfig(p.o.URI)
	if err != nil {
		return nil, errors.New("the database URI cannot be parsed")
	}
	c.RuntimeParams["application_name"] = "xivo-auth events"
	c.RuntimeParams["tcp_keepalives_idle"], c.RuntimeParams["tcp_keepalives_interval"], c.RuntimeParams["tcp_keepalives_count"] = "3", "1", "3"
	conn, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("connect for the turn to publish: %w", err)
	}
	// Of PostgreSQL 14 and newer; an older one keeps waiting for a process that stands still.
	if _, err := conn.Exec(ctx, "SET idle_session_timeout = '10s'"); err != nil && conn.IsClosed() {
		return nil, fmt.Errorf("prepare the turn to publish: %w", err)
	}
	return conn, nil
}

// closeSoon closes a connection of the database without waiting long for it.
func closeSoon(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}
