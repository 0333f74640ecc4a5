package main

import (
	"errors"
	"testing"
)

// TestJudgeStatus: figures of a ring that has moved away from the measured server
// would compare two servers.
func TestJudgeStatus(t *testing.T) {
	for text, moved := range map[string]bool{
		`{"units":[{"name":"*","owner":"m1","epoch":1}]}`: false,
		`{"units":[{"name":"*","owner":"m2","epoch":3}]}`: true,
		`{"units":[{"name":"*","owner":""}]}`:             true,
		`{"units":[]}`:                                    true,
	} {
		if err := judgeStatus([]byte(text)); errors.Is(err, errMoved) != moved || !moved && err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	if err := judgeStatus([]byte("no leader")); err == nil || errors.Is(err, errMoved) {
		t.Errorf("no JSON: %v", err)
	}
}
