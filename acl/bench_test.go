package acl_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/acl"
)

// typicalEntries are 200 entries as those of a user with several policies: literals, wildcards, me, negatives.
func typicalEntries() []string {
	entries := make([]string, 0, 200)
	add := func(format string, i int) { entries = append(entries, strings.ReplaceAll(format, "N", fmt.Sprint(i))) }
	for i := range 18 {
		add("serviceN.status.read", i)
		add("serviceN.config.infos.read", i)
		add("serviceN.things.me.read", i)
		add("serviceN.things.me.lines.edit", i)
		add("serviceN.things.*.read.public", i)
		add("serviceN.rooms.*.messages.read", i)
		add("serviceN.contacts.#", i)
		add("serviceN.events.user*.read", i)
		add("serviceN.sessions.my_session.delete", i)
		add("!serviceN.admin.#", i)
		add("!serviceN.things.me.secret", i)
	}
	return append(entries, "confd.users.me.#", "confd.*.lines")
}

var typicalQuestions = []struct {
	name, required string
	allowed        bool
}{
	{"me", "confd.users." + userUUID + ".lines.read", true},
	{"literal", "service9.config.infos.read", true},
	{"star", "service9.rooms.4c5f4bd4-4c2b-4c4e-8fd5-2bd0a0a2a1f1.messages.read", true},
	{"hash", "service9.contacts.office.7.read", true},
	{"denied", "service9.things." + userUUID + ".secret", false},
	{"not in the list", "service9.unknown." + userUUID + ".read", false},
}

func TestAllowsDoesNotAllocate(t *testing.T) { //nolint:paralleltest // it counts the allocations of the whole process
	entries := typicalEntries()
	require.Len(t, entries, 200)
	entries = append(entries, "a*#b.me", "#a#b*c#.edit", "x*y*z.b", "x#.my_session.*")
	l := acl.Compile(entries)
	for _, q := range typicalQuestions {
		require.Equal(t, q.allowed, l.Allows(q.required, userUUID, sessionUUID), q.name)
		require.Zero(t, testing.AllocsPerRun(100, func() { l.Allows(q.required, userUUID, sessionUUID) }), q.name)
	}
	for _, required := range []string{"axxb.b." + userUUID, "xyyz.b", "x.a.b.c." + strings.Repeat("a.bc", 1000) + ".edit"} {
		require.Zero(t, testing.AllocsPerRun(100, func() {
			l.Allows(required, userUUID, sessionUUID)
			l.MayAdd(required, userUUID, sessionUUID)
			l.MayRemove(required, userUUID, sessionUUID)
		}), "%.20q", required)
	}
}

func BenchmarkAllows200(b *testing.B) {
	l := acl.Compile(typicalEntries())
	for _, q := range typicalQuestions {
		b.Run(strings.ReplaceAll(q.name, " ", "-"), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if l.Allows(q.required, userUUID, sessionUUID) != q.allowed {
					b.Fatal("wrong answer")
				}
			}
		})
	}
}

func BenchmarkCompile200(b *testing.B) {
	entries := typicalEntries()
	b.ReportAllocs()
	for b.Loop() {
		acl.Compile(entries)
	}
}
