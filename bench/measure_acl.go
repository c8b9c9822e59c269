package main

import (
	"context"
	"fmt"
	"testing"

	"github.com/xivo-auth/xivo-auth/acl"
	"github.com/xivo-auth/xivo-auth/bench/report"
)

// measureACL matches one access against a list of 200 entries: literals, wildcards, own and denied ones.
func (s *suite) measureACL(context.Context) error {
	const user, session = "3d4c1e0a-60a5-4b07-8a4f-0c7c1ab8a4e9", "0a4bb0ea-51f2-4d0c-a9b8-0d94d0c5f1a7"
	l := acl.Compile(twoHundred())
	questions := []struct {
		access  string
		allowed bool
	}{
		{"confd.users." + user + ".lines.read", true},
		{"service9.config.infos.read", true},
		{"service9.rooms.4c5f4bd4-4c2b-4c4e-8fd5-2bd0a0a2a1f1.messages.read", true},
		{"service9.contacts.office.7.read", true},
		{"service9.things." + user + ".secret", false},
		{"service9.unknown." + user + ".read", false},
	}
	var wrong error
	var took, allocations []float64
	for range s.rounds() {
		// Each question as often as the others: a mix of what services ask.
		r := testing.Benchmark(func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				q := &questions[i]
				if l.Allows(q.access, user, session) != q.allowed {
					wrong = fmt.Errorf("a wrong answer for %s", q.access)
				}
				if i++; i == len(questions) {
					i = 0
				}
			}
		})
		took = append(took, float64(r.T.Nanoseconds())/float64(r.N))
		allocations = append(allocations, float64(r.AllocsPerOp()))
	}
	s.report.Add("acl_match_200_ns", report.Below(300), took, "mean of six kinds of questions")
	s.report.Add("acl_match_allocs", report.AtMost(0), allocations, "")
	return wrong
}

func twoHundred() []string {
	var entries []string
	for i := range 18 {
		for _, format := range []string{"service%d.status.read", "service%d.config.infos.read", "service%d.things.me.read", "service%d.things.me.lines.edit",
			"service%d.things.*.read.public", "service%d.rooms.*.messages.read", "service%d.contacts.#", "service%d.events.user*.read",
			"service%d.sessions.my_session.delete", "!service%d.admin.#", "!service%d.things.me.secret"} {
			entries = append(entries, fmt.Sprintf(format, i))
		}
	}
	return append(entries, "confd.users.me.#", "confd.*.lines")
}
