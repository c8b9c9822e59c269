package workflows

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/interceptor"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/encoding/protojson"
)

// Histories are recorded again, when a release changes commands, by
//
//	bin/dev exec -- go test ./workflows -run RecordHistories -record
//
// Those of earlier releases stay, under their names, for 60 days.
var record = flag.Bool("record", false, "write the histories that the replay test reads")

const histories = "testdata/histories"

// courses are the lives that are recorded, by the names of their files.
var courses = map[string]func(t *testing.T, i installation) (id string){
	"lifetime-expired": func(t *testing.T, i installation) string {
		return i.start(t, i.token(time.Second))
	},
	"lifetime-expired-after-notice": func(t *testing.T, i installation) string {
		s := i.token(2 * time.Second)
		s.Input.NoticeAt = s.Input.ExpiresAt.Add(-time.Second)
		return i.start(t, s)
	},
	"lifetime-revoked": func(t *testing.T, i installation) string {
		s := i.token(time.Hour)
		id := i.start(t, s)
		i.asleep(t, id)
		require.NoError(t, i.client.Revoke(t.Context(), uuid.MustParse(s.Input.SessionUUID), ReasonLogout))
		return id
	},
	"lifetime-revoked-after-notice": func(t *testing.T, i installation) string {
		s := i.token(time.Hour)
		s.Input.NoticeAt = s.Input.IssuedAt.Add(time.Second)
		id := i.start(t, s)
		i.happened(t, id, enums.EVENT_TYPE_MARKER_RECORDED)
		require.NoError(t, i.client.Revoke(t.Context(), uuid.MustParse(s.Input.SessionUUID), ReasonUserDeleted))
		return id
	},
	"lifetime-cancelled": func(t *testing.T, i installation) string {
		id := i.start(t, i.token(time.Hour))
		i.asleep(t, id)
		require.NoError(t, i.temporal.CancelWorkflow(t.Context(), id, ""))
		return id
	},
	"lifetime-delete-retried": func(t *testing.T, i installation) string {
		i.breakDown(3 + 1)
		return i.start(t, i.token(time.Second))
	},
	"lifetime-gone": func(t *testing.T, i installation) string {
		s := i.token(time.Second)
		i.mu.Lock()
		i.gone = true
		i.mu.Unlock()
		return i.start(t, s)
	},
	"lifetime-database-clock-behind": func(t *testing.T, i installation) string {
		i.mu.Lock()
		i.offset = -time.Second
		i.mu.Unlock()
		return i.start(t, i.token(time.Second))
	},
	// The token lives long and the leg is short: the first run, which this records, ends with continue-as-new.
	"lifetime-long-leg": func(t *testing.T, i installation) string {
		return i.start(t, i.token(10*365*24*time.Hour))
	},
	"consent-stored": func(t *testing.T, i installation) string {
		return i.startConsent(t, &listener{}, consentInput(time.Minute))
	},
	"consent-retried": func(t *testing.T, i installation) string {
		l := &listener{}
		l.fail.Store(2)
		return i.startConsent(t, l, consentInput(time.Minute))
	},
	"consent-cancelled": func(t *testing.T, i installation) string {
		id := i.startConsent(t, &listener{hang: true}, consentInput(time.Hour))
		i.happened(t, id, enums.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED)
		require.NoError(t, i.temporal.CancelWorkflow(t.Context(), id, ""))
		return id
	},
}

func TestRecordHistories(t *testing.T) {
	t.Parallel()
	if !*record {
		t.Skip("records only with -record; see history_test.go")
	}
	c := server(t)
	require.NoError(t, os.MkdirAll(histories, 0o755))
	for name, live := range courses {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var maxLeg time.Duration
			if name == "lifetime-long-leg" {
				maxLeg = time.Second
			}
			i := install(t, c, maxLeg)
			id := live(t, i)
			run := i.describe(t, id).GetWorkflowExecutionInfo().GetFirstRunId()
			var h history.History
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			for events := c.GetWorkflowHistory(ctx, id, run, true, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); events.HasNext(); {
				event, err := events.Next()
				require.NoError(t, err)
				h.Events = append(h.Events, event)
			}
			text, err := protojson.MarshalOptions{Multiline: true, Indent: " "}.Marshal(&h)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(histories, name+".json"), append(text, '\n'), 0o644))
		})
	}
}

func TestRecordedHistoriesReplay(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(histories, "*.json"))
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), len(courses), "each course has a history")
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			tracing, err := Tracing(sdktrace.NewTracerProvider().Tracer("test"))
			require.NoError(t, err)
			for _, interceptors := range [][]interceptor.WorkerInterceptor{nil, {tracing}} { // tracing is off, and on
				r, err := worker.NewWorkflowReplayerWithOptions(worker.WorkflowReplayerOptions{Interceptors: interceptors})
				require.NoError(t, err)
				r.RegisterWorkflowWithOptions(TokenLifetime, workflow.RegisterOptions{Name: TokenLifetimeType})
				r.RegisterWorkflowWithOptions(LifetimeAudit, workflow.RegisterOptions{Name: LifetimeAuditType})
				r.RegisterWorkflowWithOptions(ExternalConsent, workflow.RegisterOptions{Name: ExternalConsentType})
				require.NoError(t, r.ReplayWorkflowHistoryFromJSONFile(sdklog.NewStructuredLogger(silent()), file))
			}
		})
	}
}
