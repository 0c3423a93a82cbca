# One host that watches itself: Prometheus, its rules and Grafana's dashboard.
{ nodes, test }:
test {
  name = "monitoring";
  nodes = {
    inherit (nodes) chain;
    host1 = {
      imports = [ (nodes.host { }) ];
      virtualisation.memorySize = 3072;
      services.hafailover.monitoring.enable = true;
    };
  };
  script = ./monitoring.py;
}
