package temporal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	uiserver "github.com/temporalio/ui-server/v2/server"
	uiconfig "github.com/temporalio/ui-server/v2/server/config"
	uioptions "github.com/temporalio/ui-server/v2/server/server_options"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/server/temporal"
	"google.golang.org/protobuf/types/known/durationpb"
)

// Retention is how long a closed workflow stays visible in a namespace made here.
const Retention = 7 * 24 * time.Hour

// Databases are the databases that the server wants.
var Databases = []string{mainDatabase, visibilityDatabase}

const (
	mainDatabase       = "temporal"
	visibilityDatabase = "temporal_visibility"
	host               = "127.0.0.1"
)

// Config places one server.
type Config struct {
	Port, UIPort int
	// Internal are three free ports for the services behind the frontend and one for its HTTP face.
	Internal [4]int
	// Postgres is host:port; User and Password log in there.
	Postgres, User, Password string
	Namespace                string
	// Log receives errors only.
	Log string
	// Production leaves out what eases tests at the price of extra queries.
	Production bool
}

// Server is a running Temporal server with its Web UI.
type Server struct {
	Address string // of the frontend
	UIURL   string

	server temporal.Server
	ui     *uiserver.Server
}

// Start starts server and Web UI, makes the namespace, and returns when both answer.
// Every database of Databases must have gone through Migrate.
func Start(ctx context.Context, c Config) (*Server, error) {
	logger := c.logger()
	s := &Server{Address: join(c.Port), UIURL: "http://" + join(c.UIPort)}
	server, err := temporal.NewServer(
		temporal.WithConfig(c.server()), temporal.ForServices(temporal.DefaultServices), temporal.WithStaticHosts(c.hosts()),
		temporal.WithLogger(logger), temporal.WithDynamicConfigClient(c.dynamic()))
	if err != nil {
		return nil, fmt.Errorf("configure Temporal: %w", err)
	}
	s.server = server
	if err := server.Start(); err != nil {
		return nil, fmt.Errorf("start Temporal: %w", err)
	}
	s.ui = uiserver.NewServer(uioptions.WithConfigProvider(&uiconfig.Config{
		Host: host, Port: c.UIPort, TemporalGRPCAddress: s.Address, DefaultNamespace: c.Namespace, EnableUI: true,
		// The UI is plain HTTP on loopback, where a Secure cookie would not be sent back.
		CORS: uiconfig.CORS{CookieInsecure: true}, HideLogs: true, DisableNewsFetch: true,
	}))
	go func() { _ = s.ui.Start() }()
	ready, cancel := context.WithTimeout(ctx, 90*time.Second)
	defer cancel()
	if err := s.provide(ready, c.Namespace); err != nil {
		return nil, errors.Join(fmt.Errorf("the Temporal server does not get ready: %w", err), s.Stop())
	}
	return s, nil
}

// Stop ends the Web UI, then the server.
func (s *Server) Stop() error {
	s.ui.Stop()
	if err := s.server.Stop(); err != nil {
		return fmt.Errorf("stop Temporal: %w", err)
	}
	return nil
}

// provide waits for the frontend, makes the namespace and waits until every service knows it and the Web UI answers.
func (s *Server) provide(ctx context.Context, namespace string) error {
	c, err := client.NewLazyClient(client.Options{HostPort: s.Address, Namespace: namespace, Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	if err != nil {
		return err
	}
	defer c.Close()
	steps := []func(context.Context) error{
		func(ctx context.Context) error {
			_, err := c.WorkflowService().RegisterNamespace(ctx, &workflowservice.RegisterNamespaceRequest{
				Namespace: namespace, WorkflowExecutionRetentionPeriod: durationpb.New(Retention)})
			var exists *serviceerror.NamespaceAlreadyExists
			if errors.As(err, &exists) {
				return nil
			}
			return err
		},
		func(ctx context.Context) error {
			_, err := c.DescribeTaskQueue(ctx, "ready", 1)
			return err
		},
		func(ctx context.Context) error {
			_, err := c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{PageSize: 1})
			return err
		},
		func(ctx context.Context) error { return get(ctx, s.UIURL+"/healthz") },
	}
	for _, step := range steps {
		if err := until(ctx, step); err != nil {
			return err
		}
	}
	return nil
}

// until repeats a step until it succeeds or ctx ends; each try has five seconds.
func until(ctx context.Context, step func(context.Context) error) error {
	for {
		try, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := step(try)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(30 * time.Millisecond):
		}
	}
}

func get(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", url, res.Status)
	}
	return nil
}

func join(port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }
