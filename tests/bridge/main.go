// Command bridge is a real bridgev2 bridge whose remote network is made up.
//
// It is shaped like mautrix-meta (same bot, ghosts, portal keys and protocol id) but has no
// network behind it: a test says over the control port what happens "on Messenger", and
// everything from there to the homeserver is the library's own code.
package main

import (
	"os"

	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/matrix/mxmain"
)

func main() {
	// Without a buffer an event is handled within QueueRemoteEvent, which then returns its
	// outcome. That is how the control port knows exactly when something has been bridged.
	bridgev2.PortalEventBuffer = 0
	// Each tick is 30 s: what takes longer than a minute is reported instead of waited for.
	bridgev2.EventHandlingTimeoutTicks = 2

	connector := &Connector{}
	bridge := &mxmain.BridgeMain{
		Name:        "tributary-test-bridge",
		Description: "A bridge to an imaginary Messenger, for Tributary's tests.",
		URL:         "https://tributary.test",
		Version:     "0.1.0",
		Connector:   connector,
	}
	bridge.PostInit = func() {
		bridge.Bridge.Matrix = &puppetGate{Connector: bridge.Matrix}
	}
	bridge.PostStart = func() {
		serveControl(os.Getenv("BRIDGE_CONTROL_ADDR"), bridge.Bridge)
	}
	bridge.InitVersion("unknown", "unknown", "unknown")
	bridge.Run()
}
