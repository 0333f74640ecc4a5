package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// countingRoutes serves what has to be asked of the members.
func (s *Server) countingRoutes(api huma.API) {
	huma.Register(api, huma.Operation{
		Method: http.MethodGet, Path: "/v1/autoinc/verify", OperationID: "get-autoinc-verify", Summary: "By what each member gives out ids, asked anew",
	}, func(ctx context.Context, _ *nothing) (*answer[VerifyReport], error) {
		return &answer[VerifyReport]{s.verify(ctx)}, nil
	})
	huma.Register(api, huma.Operation{
		Method: http.MethodGet, Path: "/v1/autoinc/headroom", OperationID: "get-autoinc-headroom", Summary: "How long the keys of each column last",
	}, func(ctx context.Context, in *headroomQuery) (*answer[HeadroomReport], error) {
		return &answer[HeadroomReport]{s.headroom(ctx, in.Limit)}, nil
	})
	huma.Register(api, huma.Operation{
		Method: http.MethodGet, Path: "/v1/autoinc/plan", OperationID: "get-autoinc-plan", Summary: "What another stride would do",
	}, func(ctx context.Context, in *planQuery) (*answer[ResizePlan], error) {
		plan, err := s.planResize(ctx, in.Stride)
		if err != nil {
			return nil, newProblem(http.StatusConflict, ProblemRefused, "plan a resize to stride %d: %v", in.Stride, err)
		}
		return &answer[ResizePlan]{plan}, nil
	})
}

type headroomQuery struct {
	Limit int `query:"limit" minimum:"1" maximum:"1000" default:"50" doc:"at most so many columns, the most used"`
}

type planQuery struct {
	Stride int `query:"stride" required:"true" minimum:"1" maximum:"65535" doc:"the stride to resize to"`
}
