<?php
// Ends every session of the member. Arguments: the site's folder, host:port.
$_SERVER['HTTP_HOST'] = $argv[2];
require "$argv[1]/wp-load.php";
WP_Session_Tokens::get_instance(1)->destroy_all();
