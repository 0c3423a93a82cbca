# Turns a unit of src/hafailover/units into what systemd.services takes. Every value is a default, so that a host can
# say otherwise; what depends on the host is in the placeholders.
{ lib }:
file: values:
let
  unit = lib.importTOML file;
  names = lib.attrNames values;

  fill =
    text:
    let
      filled = lib.replaceStrings (map (name: "@${name}@") names) (map (name: values.${name}) names) text;
      left = builtins.match ".*(@[a-z_]+@).*" filled;
    in
    if left == null then filled else throw "${toString file}: nothing is given for ${lib.head left}";
  fillAny =
    value:
    if lib.isString value then
      fill value
    else if lib.isList value then
      map fillAny value
    else
      value;
  defaults = lib.mapAttrs (_: value: lib.mkDefault (fillAny value));
in
{
  description = lib.mkDefault unit.Unit.Description;
  wants = unit.Unit.Wants;
  after = unit.Unit.After;
  wantedBy = unit.Install.WantedBy;
  unitConfig = defaults (
    removeAttrs unit.Unit [
      "Description"
      "Wants"
      "After"
    ]
  );
  serviceConfig = defaults unit.Service;
}
