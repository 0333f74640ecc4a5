package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sqlring/sqlring/pkg/gate"
	"github.com/sqlring/sqlring/pkg/topology"
)

// DigestAt is what statements of one digest have cost at one member, as a Node reports it.
type DigestAt struct {
	Member topology.MemberID
	Text   string
	gate.Tally
}

// Digest is what statements of one digest have cost at one member, through the proxy of
// the node that answers, since its start. Queue time is apart from the time at the member.
type Digest struct {
	Member     string  `json:"member"`
	Digest     string  `json:"digest" doc:"16 hexadecimal digits, by which rules name it"`
	Text       string  `json:"text" doc:"without values, at most 500 bytes of it; empty: it was not seen for long"`
	Statements uint64  `json:"statements" doc:"estimated: one of some is measured"`
	ServerMS   float64 `json:"server_ms" doc:"at the member until the answer began, of all of them, estimated"`
	Waits      uint64  `json:"waits" doc:"those that waited for a place"`
	WaitMS     float64 `json:"wait_ms" doc:"how long all of these did"`
	RowWaits   uint64  `json:"row_waits" doc:"those that waited for a hot row"`
	RowWaitMS  float64 `json:"row_wait_ms" doc:"how long all of these did"`
	RuleWaits  uint64  `json:"rule_waits" doc:"those that a rule held back"`
	RuleWaitMS float64 `json:"rule_wait_ms" doc:"how long all of these waited"`
	LongestMS  float64 `json:"longest_ms" doc:"the longest wait of all kinds"`
	Shed       uint64  `json:"shed" doc:"those that got an error (1041) instead"`
	Gone       uint64  `json:"gone" doc:"those whose client went while they waited"`
}

// DigestList are the digests that have cost most, of the node that answers.
type DigestList struct {
	Node    string   `json:"node"`
	Digests []Digest `json:"digests" doc:"those first that have taken the most time, before the member and at it"`
}

type digestInput struct {
	Limit int `query:"limit" minimum:"0" maximum:"1000" doc:"at most so many; 0: 20"`
}

// shownDigests is how many digests have metrics, and are listed if nobody says how many.
const shownDigests = 20

func digestOf(d DigestAt) Digest {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return Digest{
		Member: string(d.Member), Digest: fmt.Sprintf("%016x", d.Tally.Digest), Text: d.Text, Statements: d.Statements, ServerMS: ms(d.ServerTime),
		Waits: d.Waits, WaitMS: ms(d.WaitTime), RowWaits: d.LaneWaits, RowWaitMS: ms(d.LaneTime), RuleWaits: d.RuleWaits, RuleWaitMS: ms(d.RuleTime), LongestMS: ms(d.Longest), Shed: d.Shed, Gone: d.Gone,
	}
}

func (s *Server) digestRoutes(api huma.API) {
	huma.Register(api, huma.Operation{
		Method: http.MethodGet, Path: "/v1/digests", OperationID: "get-digests",
		Summary: "What statements have waited for and taken, by digest, of this node",
	}, func(_ context.Context, in *digestInput) (*answer[DigestList], error) {
		list := DigestList{Node: string(s.node.Name()), Digests: []Digest{}}
		most := in.Limit
		if most == 0 {
			most = shownDigests
		}
		for _, d := range s.node.Digests(most) {
			list.Digests = append(list.Digests, digestOf(d))
		}
		return &answer[DigestList]{list}, nil
	})
}

// Digests returns the digests that have cost most, at most so many; 0: 20.
func (c *Client) Digests(ctx context.Context, most int) (DigestList, error) {
	return fetch[DigestList](ctx, c, fmt.Sprintf("/v1/digests?limit=%d", most))
}
