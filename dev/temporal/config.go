package temporal

import (
	"time"

	"go.temporal.io/server/common/cluster"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/membership/static"
	_ "go.temporal.io/server/common/persistence/sql/sqlplugin/postgresql" // the driver postgres12_pgx
	"go.temporal.io/server/common/primitives"
	"go.temporal.io/server/tools/common/schema"
	"go.temporal.io/server/tools/sql"
)

func (c Config) sql(database string) config.SQL {
	return config.SQL{PluginName: "postgres12_pgx", ConnectAddr: c.Postgres, ConnectProtocol: "tcp", User: c.User, Password: c.Password,
		DatabaseName: database, MaxConns: 20, MaxIdleConns: 20, MaxConnLifetime: time.Hour}
}

// Migrate sets up or upgrades the schema of one of Databases, from what is embedded in the server's module.
func (c Config) Migrate(database string) error {
	name := "postgresql/v12/temporal"
	if database == visibilityDatabase {
		name = "postgresql/v12/visibility"
	}
	settings, logger := c.sql(database), c.logger()
	conn, err := sql.NewConnection(&settings, logger)
	if err != nil {
		return err
	}
	defer conn.Close()
	if v, err := conn.ReadSchemaVersion(); err != nil || v == "" {
		if err := schema.NewSetupSchemaTask(conn, &schema.SetupConfig{InitialVersion: "0.0"}, logger).Run(); err != nil {
			return err
		}
	}
	return schema.NewUpdateSchemaTask(conn, &schema.UpdateConfig{DBName: database, SchemaName: name}, logger).Run()
}

func (c Config) logger() log.Logger {
	return log.NewZapLogger(log.BuildZapLogger(log.Config{Level: "error", OutputFile: c.Log}))
}

func (c Config) server() *config.Config {
	main, visibility := c.sql(mainDatabase), c.sql(visibilityDatabase)
	var conf config.Config
	conf.Global.Membership.MaxJoinDuration = 30 * time.Second
	conf.Global.Membership.BroadcastAddress = host
	conf.Persistence.NumHistoryShards = 4
	conf.Persistence.DefaultStore, conf.Persistence.VisibilityStore = "main", "visibility"
	conf.Persistence.DataStores = map[string]config.DataStore{"main": {SQL: &main}, "visibility": {SQL: &visibility}}
	conf.ClusterMetadata = &cluster.Config{FailoverVersionIncrement: 10, MasterClusterName: "active", CurrentClusterName: "active",
		ClusterInformation: map[string]cluster.ClusterInformation{"active": {Enabled: true, InitialFailoverVersion: 1,
			RPCAddress: join(c.Port), HTTPAddress: join(c.Internal[3])}}}
	conf.DCRedirectionPolicy.Policy = "noop"
	conf.Services = map[string]config.Service{}
	for name, port := range c.ports() {
		var s config.Service
		s.RPC.GRPCPort, s.RPC.BindOnIP = port, host
		if name == primitives.FrontendService {
			s.RPC.HTTPPort = c.Internal[3]
		}
		conf.Services[string(name)] = s
	}
	conf.Archival.History.State, conf.Archival.Visibility.State = "disabled", "disabled"
	conf.NamespaceDefaults.Archival.History.State, conf.NamespaceDefaults.Archival.Visibility.State = "disabled", "disabled"
	conf.PublicClient.HostPort = join(c.Port)
	return &conf
}

func (c Config) ports() map[primitives.ServiceName]int {
	return map[primitives.ServiceName]int{primitives.FrontendService: c.Port, primitives.HistoryService: c.Internal[0],
		primitives.MatchingService: c.Internal[1], primitives.WorkerService: c.Internal[2]}
}

func (c Config) hosts() map[primitives.ServiceName]static.Hosts {
	hosts := map[primitives.ServiceName]static.Hosts{}
	for name, port := range c.ports() {
		hosts[name] = static.SingleLocalHost(join(port))
	}
	return hosts
}

// dynamic are the settings for a small machine.
func (c Config) dynamic() dynamicconfig.Client {
	histories := 2000
	if c.Production {
		histories = 10000
	}
	return dynamicconfig.StaticClient{
		// A search attribute that was just added is known at once; the price is a query on each use.
		dynamicconfig.MakeKey("system.forceSearchAttributesCacheRefreshOnRead"): !c.Production,
		// More partitions than pollers would leave tasks waiting for a forward.
		dynamicconfig.MakeKey("matching.numTaskqueueReadPartitions"):  1,
		dynamicconfig.MakeKey("matching.numTaskqueueWritePartitions"): 1,
		// 10 by default, which a test or a look at the list exceeds.
		dynamicconfig.MakeKey("frontend.namespaceRPS.visibility"): 100,
		// Cached histories are what the server's memory grows by: 128,000 by default.
		dynamicconfig.MakeKey("history.hostLevelCacheMaxSize"):  histories,
		dynamicconfig.MakeKey("history.shutdownDrainDuration"):  time.Duration(0),
		dynamicconfig.MakeKey("matching.shutdownDrainDuration"): time.Duration(0),
	}
}
