# The failover test with a real neard, built from the nearcore that the caller gives. Not among the checks: to build
# neard takes half an hour and more. From a flake with an input `nearcore` (see the templates):
#
#   checks.x86_64-linux.real-neard = hafailover.lib.realNeardTest {
#     system = "x86_64-linux"; src = nearcore; version = "2.13.3";
#   };
{
  pkgs,
  self,
  src,
  version,
}:
let
  neard = self.lib.mkNeard { inherit pkgs src version; };
  inherit
    (import ./lib.nix {
      inherit pkgs self;
      neard = "${neard}/bin/neard";
    })
    nodes
    test
    ;
  roomy =
    node: memorySize:
    { lib, ... }:
    {
      imports = [ node ];
      virtualisation.memorySize = lib.mkForce memorySize;
    };
  host = roomy (nodes.host {
    servers = [
      "host1"
      "host2"
      "host3"
    ];
  }) 4096;
in
test {
  name = "real-neard";
  nodes = {
    chain = roomy nodes.chain 8192;
    host1 = host;
    host2 = host;
    host3 = host;
  };
  script = ./cluster-failover.py;
  timeout = 3600;
}
