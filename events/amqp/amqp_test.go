package amqp_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/google/uuid"
	amqp091 "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/events"
	"github.com/xivo-auth/xivo-auth/events/amqp"
	"github.com/xivo-auth/xivo-auth/events/amqp/amqptest"
)

func message(t *testing.T, n int) events.Message {
	t.Helper()
	d := events.SessionDeleted{UUID: uuid.New(), Tenant: uuid.New(), AuthID: fmt.Sprint(n)}.Describe()
	m, err := events.Origin{Location: time.UTC}.Message(uuid.New(), time.Now(), d)
	require.NoError(t, err)
	return m
}

func connect(t *testing.T, uri, exchange string) *amqp.Connection {
	t.Helper()
	c, err := amqp.New(amqp.Options{URI: uri, Exchange: exchange, ExchangeType: "topic", Name: "test"}).Connect(t.Context())
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func TestWithABroker(t *testing.T) {
	t.Parallel()
	broker := amqptest.Start(t)
	t.Run("each message is confirmed, in order", func(t *testing.T) {
		heard := broker.Listen(t, "auth_session_deleted")
		c := connect(t, broker.URI, "xivo")
		const n = 1000
		for i := range n {
			require.NoError(t, c.Publish([]events.Message{message(t, i)}))
		}
		for range n {
			require.True(t, <-c.Confirms())
		}
		for i := range n {
			require.Equal(t, true, heard.Next(t).Headers[fmt.Sprint("user_uuid:", i)])
		}
		require.False(t, c.Blocked())
	})
	t.Run("an exchange that was deleted ends the connection, and the next one makes it again", func(t *testing.T) {
		c := connect(t, broker.URI, "short-lived")
		conn, err := amqp091.Dial(broker.URI)
		require.NoError(t, err)
		defer func() { _ = conn.Close() }()
		ch, err := conn.Channel()
		require.NoError(t, err)
		require.NoError(t, ch.ExchangeDelete("short-lived", false, false))
		require.NoError(t, c.Publish([]events.Message{message(t, 0)}))
		<-c.Done()
		require.Error(t, c.Err())
		for took := range c.Confirms() { // ends
			require.False(t, took)
		}
		c = connect(t, broker.URI, "short-lived")
		require.NoError(t, c.Publish([]events.Message{message(t, 0)}))
		require.True(t, <-c.Confirms())
	})
	t.Run("an exchange of another type is an error", func(t *testing.T) {
		connect(t, broker.URI, "of-type-topic")
		_, err := amqp.New(amqp.Options{URI: broker.URI, Exchange: "of-type-topic", ExchangeType: "headers"}).Connect(t.Context())
		require.ErrorContains(t, err, "declare the exchange")
	})
	t.Run("wrong credentials are an error that does not show them", func(t *testing.T) {
		_, err := amqp.New(amqp.Options{URI: "amqp://guest:hunter2@" + broker.Address + "/", Exchange: "xivo", ExchangeType: "topic"}).Connect(t.Context())
		require.Error(t, err)
		require.NotContains(t, err.Error(), "hunter2")
	})
	t.Run("a broker in need says so, and the connection waits", func(t *testing.T) {
		broker.Kill()
		broker.Disk = "1000GB"
		broker.Restart(t)
		c := connect(t, broker.URI, "xivo")
		for i := 0; !c.Blocked(); i++ {
			require.NoError(t, c.Publish([]events.Message{message(t, i)}))
			select {
			case <-c.Done():
				require.NoError(t, c.Err())
			case <-time.After(20 * time.Millisecond):
			}
			require.Less(t, i, 1000)
		}
		broker.Kill()
		broker.Disk = ""
		broker.Restart(t)
	})
	t.Run("a broker that dies ends the connection", func(t *testing.T) {
		c := connect(t, broker.URI, "xivo")
		broker.Kill()
		<-c.Done()
		require.Error(t, c.Err())
		_, open := <-c.Confirms()
		require.False(t, open)
		require.Error(t, c.Publish([]events.Message{message(t, 0)}))
	})
}

func TestABrokerThatSaysNothingIsGivenUp(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, silent.Close()) })
	go func() {
		for {
			conn, err := silent.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(io.Discard, conn) }()
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err = amqp.New(amqp.Options{URI: "amqp://guest:guest@" + silent.Addr().String() + "/", Exchange: "xivo", ExchangeType: "topic"}).Connect(ctx)
	require.Error(t, err)
	require.Less(t, time.Since(began), 10*time.Second)
}

func TestAURIIsNotShown(t *testing.T) {
	t.Parallel()
	_, err := amqp.New(amqp.Options{URI: "amqp://guest:hunter2%@mq/"}).Connect(t.Context())
	require.Error(t, err)
	require.NotContains(t, err.Error(), "hunter2")
}
