package api_test

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/api/apitest"
	"github.com/sqlring/sqlring/pkg/autoinc"
	"github.com/sqlring/sqlring/pkg/topology"
)

// slowNode asks a member that does not answer, and takes a moment more to give that up.
type slowNode struct {
	*apitest.Node
	asked chan struct{} // capacity 1
	ended atomic.Int32
}

func (n *slowNode) AskColumns(ctx context.Context, _ topology.Member) ([]autoinc.Column, error) {
	n.asked <- struct{}{}
	<-ctx.Done()
	time.Sleep(300 * time.Millisecond)
	n.ended.Add(1)
	return nil, ctx.Err()
}

// What the handlers ask is taken away when Run has returned: none may be at work then, be it
// for a client or for another node.
func TestRunWaitsForAnswers(t *testing.T) {
	for name, ask := range map[string]func(s *api.Server){
		"a client": func(s *api.Server) {
			req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://"+s.Addr()+"/v1/autoinc/headroom", nil)
			if err != nil {
				return
			}
			req.Close = true
			if answer, err := http.DefaultClient.Do(req); err == nil {
				_ = answer.Body.Close()
			}
		},
		"another node": func(s *api.Server) {
			s.Answer(context.Background(), api.Forwarded{Method: http.MethodGet, Path: "/v1/autoinc/headroom", By: "dba@n2"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := &slowNode{Node: apitest.NewRing(), asked: make(chan struct{}, 1)}
			s := api.New(api.Config{Listen: "127.0.0.1:0"}, n)
			if err := s.Listen(); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			ran, told := make(chan error, 1), make(chan struct{})
			go func() { ran <- s.Run(ctx) }()
			go func() { defer close(told); ask(s) }()
			select {
			case <-n.asked:
			case <-told:
				t.Error("nobody was asked")
			}
			cancel()
			if err := <-ran; err != nil || n.ended.Load() != 1 {
				t.Errorf("Run returned %v when %d had ended", err, n.ended.Load())
			}
			<-told
			if got := s.Answer(context.Background(), api.Forwarded{Method: http.MethodGet, Path: "/v1/autoinc/headroom"}); got.Status != http.StatusMisdirectedRequest {
				t.Errorf("behind the end: %+v", got)
			}
		})
	}
}
