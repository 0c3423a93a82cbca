# The form of IP addresses, as regular expressions. Whether the numbers are in range is for the program to say.
rec {
  four = "[0-9]{1,3}(\\.[0-9]{1,3}){3}";
  six = "[0-9A-Fa-f]*:[0-9A-Fa-f:]+";
  is = text: builtins.match "${four}|${six}" text != null;
  isWithOrWithoutPort =
    text: builtins.match "${four}|${six}|(${four}|\\[${six}]):[0-9]{1,5}" text != null;
}
