package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"google.golang.org/protobuf/proto"
)

// noSecrets looks for every token, refresh token and password of a run in everything that stays: logs (debug is on), the
// database, the histories and the list of Temporal.
func noSecrets(t *testing.T, s *stack) {
	f := s.finder()
	require.Greater(t, len(f.ids), 1000, "secrets to look for")
	for text := range s.secrets { // the search itself works, in each disguise
		require.NotEmpty(t, f.find([]byte("x"+text+"x")))
		require.NotEmpty(t, f.find([]byte("x "+base64.StdEncoding.EncodeToString([]byte("some:"+text))+" x")))
		if id, err := uuid.Parse(text); err == nil {
			require.NotEmpty(t, f.find(append([]byte{1, 2, 3}, id[:]...)))
			require.NotEmpty(t, f.find([]byte(hex.EncodeToString(id[:]))))
		}
	}
	for _, p := range append(s.apis[:2:2], s.workers...) {
		text := p.log.String()
		require.Contains(t, text, `"DEBUG"`, "%s logs at debug", p.name)
		require.Empty(t, f.find([]byte(text)), "in the log of %s", p.name)
	}
	s.searchDatabase(t, f)
	s.searchList(t, f)
	s.searchHistories(t, f)
}

// searchDatabase reads every table as text and in the server's binary form.
func (s *stack) searchDatabase(t *testing.T, f *finder) {
	t.Helper()
	rows, err := s.db.Query(t.Context(), "SELECT quote_ident(table_name) FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'")
	require.NoError(t, err)
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Contains(t, tables, "refresh_tokens")
	conn, err := pgx.Connect(t.Context(), s.uri)
	require.NoError(t, err)
	defer func() { _ = conn.Close(t.Context()) }()
	for _, table := range tables {
		for _, format := range []string{"text", "binary"} {
			var dump bytes.Buffer
			_, err := conn.PgConn().CopyTo(t.Context(), &dump, "COPY "+table+" TO STDOUT (FORMAT "+format+")")
			require.NoError(t, err)
			require.Empty(t, f.find(dump.Bytes()), "in table %s", table)
		}
	}
}

// searchList looks at what the list of workflows is made from, and at what it shows.
func (s *stack) searchList(t *testing.T, f *finder) {
	t.Helper()
	for _, w := range s.all(t, "") {
		raw, err := proto.Marshal(w)
		require.NoError(t, err)
		require.Empty(t, f.find(raw), "in the list, at %s", w.GetExecution().GetWorkflowId())
	}
	config, err := pgx.ParseConfig(s.uri)
	require.NoError(t, err)
	config.Database = "temporal_visibility"
	conn, err := pgx.ConnectConfig(t.Context(), config)
	require.NoError(t, err)
	defer func() { _ = conn.Close(t.Context()) }()
	var dump bytes.Buffer
	_, err = conn.PgConn().CopyTo(t.Context(), &dump, "COPY executions_visibility TO STDOUT (FORMAT binary)")
	require.NoError(t, err)
	require.Contains(t, dump.String(), "token-lifetime-")
	require.Empty(t, f.find(dump.Bytes()), "in executions_visibility")
}

func (s *stack) searchHistories(t *testing.T, f *finder) {
	t.Helper()
	list := s.all(t, "")
	require.Greater(t, len(list), 500)
	work := make(chan int)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var found []string
	for range 16 {
		wg.Go(func() {
			for n := range work {
				x := list[n].GetExecution()
				h := s.temporal.GetWorkflowHistory(t.Context(), x.GetWorkflowId(), x.GetRunId(), false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
				for h.HasNext() {
					event, err := h.Next()
					var raw []byte
					if err == nil {
						raw, err = proto.Marshal(event)
					}
					if what := f.find(raw); err != nil || what != "" {
						mu.Lock()
						found = append(found, fmt.Sprint(x.GetWorkflowId(), " ", event.GetEventType(), " ", what, err))
						mu.Unlock()
						break
					}
				}
			}
		})
	}
	for n := range list {
		work <- n
	}
	close(work)
	wg.Wait()
	require.Empty(t, found)
}

// finder looks for many secrets at once: uuids as text with and without dashes and as 16 bytes, other texts as they are,
// and all of it inside base64.
type finder struct {
	ids   map[[16]byte]bool
	first [1 << 16]bool // the first two bytes of an id
	texts [][]byte
}

func (s *stack) finder() *finder {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := &finder{ids: map[[16]byte]bool{}}
	for text := range s.secrets {
		if id, err := uuid.Parse(text); err == nil {
			f.ids[id] = true
			f.first[int(id[0])<<8|int(id[1])] = true
			continue
		}
		f.texts = append(f.texts, []byte(text))
	}
	return f
}

// find says in which disguise a secret was found, never which one; empty for none.
func (f *finder) find(data []byte) string {
	if how := f.plain(data); how != "" {
		return how
	}
	for start := 0; start < len(data); start++ { // runs of base64
		end := start
		for end < len(data) && isBase64[data[end]] {
			end++
		}
		if end-start >= 16 {
			for shift := range 4 {
				run := data[start+shift : end]
				if len(run)%4 == 1 {
					run = run[:len(run)-1]
				}
				decoded := make([]byte, len(run))
				n, _ := base64.RawStdEncoding.Decode(decoded, run)
				if how := f.plain(decoded[:n]); how != "" {
					return how + " in base64"
				}
			}
		}
		start = end
	}
	return ""
}

var isBase64 = func() (is [256]bool) {
	for _, b := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") {
		is[b] = true
	}
	return is
}()

func (f *finder) plain(data []byte) string {
	for n, text := range f.texts {
		if bytes.Contains(data, text) {
			return fmt.Sprint("text number ", n)
		}
	}
	var id [16]byte
	for i := range data {
		if i+16 <= len(data) && f.first[int(data[i])<<8|int(data[i+1])] && f.ids[[16]byte(data[i:i+16])] {
			return "an id in bytes"
		}
		if i+36 <= len(data) && data[i+8] == '-' && data[i+13] == '-' {
			if parsed, err := uuid.ParseBytes(data[i : i+36]); err == nil && f.ids[parsed] {
				return "an id"
			}
		}
		if i+32 <= len(data) && (i == 0 || !isHex[data[i-1]]) && isHex[data[i]] && isHex[data[i+31]] {
			if _, err := hex.Decode(id[:], data[i:i+32]); err == nil && f.ids[id] {
				return "an id without dashes"
			}
		}
	}
	return ""
}

var isHex = func() (is [256]bool) {
	for _, b := range []byte("0123456789abcdefABCDEF") {
		is[b] = true
	}
	return is
}()
