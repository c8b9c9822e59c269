package temporal

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/xivo-auth/xivo-auth/dev/postgres"
)

func port(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func start(t *testing.T, production bool) *Server {
	t.Helper()
	dir := t.TempDir()
	bin, err := postgres.Finder{Override: os.Getenv("XIVO_AUTH_PG_BIN"), Cache: dir}.Find(t.Context())
	require.NoError(t, err)
	pg := &postgres.Cluster{Bin: bin, Data: filepath.Join(dir, "pg"), Log: filepath.Join(dir, "pg.log"), Port: port(t),
		Settings: []string{"fsync=off", "max_connections=300"}, Say: t.Logf}
	require.NoError(t, pg.Start(t.Context()))
	t.Cleanup(pg.Stop)
	conf := Config{Port: port(t), UIPort: port(t), Internal: [4]int{port(t), port(t), port(t), port(t)},
		Postgres: pg.Address(), User: postgres.User, Namespace: "default", Log: filepath.Join(dir, "temporal.log"), Production: production}
	for _, name := range Databases {
		require.NoError(t, pg.CreateDatabase(t.Context(), name, func() error { return conf.Migrate(name) }))
	}
	s, err := Start(t.Context(), conf)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Stop()) })
	return s
}

func TestTheServerKeepsClosedWorkflowsForAWeekAndKnowsNewAttributesSoon(t *testing.T) {
	t.Parallel()
	for name, production := range map[string]bool{"for tests": false, "for measurements": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, production)
			c, err := client.Dial(client.Options{HostPort: s.Address})
			require.NoError(t, err)
			defer c.Close()

			n, err := c.WorkflowService().DescribeNamespace(t.Context(), &workflowservice.DescribeNamespaceRequest{Namespace: "default"})
			require.NoError(t, err)
			require.Equal(t, 7*24*time.Hour, n.GetConfig().GetWorkflowExecutionRetentionTtl().AsDuration())

			_, err = c.OperatorService().AddSearchAttributes(t.Context(), &operatorservice.AddSearchAttributesRequest{Namespace: "default",
				SearchAttributes: map[string]enums.IndexedValueType{"Outcome": enums.INDEXED_VALUE_TYPE_KEYWORD}})
			require.NoError(t, err)
			outcome := temporal.NewSearchAttributeKeyKeyword("Outcome")
			began := time.Now()
			require.NoError(t, until(t.Context(), func(ctx context.Context) error {
				_, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{TaskQueue: "q", TypedSearchAttributes: temporal.NewSearchAttributes(outcome.ValueSet("none"))}, "Nobody")
				return err
			}))
			t.Logf("known after %s", time.Since(began))
			require.Less(t, time.Since(began), 15*time.Second)
		})
	}
}
